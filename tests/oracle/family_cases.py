"""The tiny models of families.py: config.json of each, as short as its family allows, so that what is not said must be
taken from the class's own defaults. Windows are 16 tokens of 48; the kinds of RoPE begin to differ within 48."""

V = 64
ENDS = {"vocab_size": V, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None}
BASE = {**ENDS, "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 128}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
          "rope_theta": 5000.0}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "rope_theta": 1000.0}
FULL, WINDOW = "full_attention", "sliding_attention"


def like_llama(model_type, **changes):
    config = {"model_type": model_type, **BASE, **changes}
    return {key: value for key, value in config.items() if value != "absent"}


def long_rope(pairs, original, **more):
    return {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0 + 0.125 * i for i in range(pairs)],
            "long_factor": [1.5 + 0.75 * i for i in range(pairs)], "original_max_position_embeddings": original, **more}


def older(model_type, **members):
    """Families whose keys are not a LLaMA's."""
    return {"model_type": model_type, **ENDS, **members}


GPT = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
FALCON = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 128}
OPT = {"hidden_size": 32, "ffn_dim": 40, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64, "pad_token_id": 1}
PICTURES = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}
GEMMA = {"head_dim": 12, "query_pre_attn_scalar": 20}

CASES = {
    "llama": like_llama("llama"),
    "llama biases": like_llama("llama", attention_bias=True, mlp_bias=True, rms_norm_eps=1e-3),
    "llama linear": like_llama("llama", rope_parameters={"rope_type": "linear", "factor": 3.0, "rope_theta": 5000.0}),
    "llama dynamic": like_llama("llama", rope_scaling={"type": "dynamic", "factor": 2.0}),
    "llama llama3": like_llama("llama", rope_parameters=LLAMA3, tie_word_embeddings=True),
    "llama yarn": like_llama("llama", rope_parameters=YARN),
    "llama yarn with scales": like_llama("llama", rope_parameters={**YARN, "mscale": 0.7, "mscale_all_dim": 1.3, "beta_fast": 8.0, "beta_slow": 2.0,
                                                                    "truncate": False}),
    "llama one key head of 10": like_llama("llama", num_key_value_heads=1, head_dim=10, num_attention_heads=3, hidden_size=24),
    "llama large heads": like_llama("llama", head_dim=258, num_attention_heads=2, num_key_value_heads=1),
    "mistral window": like_llama("mistral", sliding_window=16),
    "mistral no window": like_llama("mistral", sliding_window=None, head_dim=12, num_key_value_heads="absent", num_attention_heads=8),
    "mistral longrope": like_llama("mistral", sliding_window=None, rope_parameters=long_rope(4, 32, factor=3.0)),
    "ministral": like_llama("ministral", head_dim=12, sliding_window=16, layer_types=[FULL, WINDOW]),
    "ministral windows": like_llama("ministral", sliding_window=16, head_dim=8),
    "ministral3": like_llama("ministral3", head_dim=12, rope_parameters={
        "rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 64, "rope_theta": 1000.0, "beta_fast": 32.0, "beta_slow": 1.0,
        "mscale": 1.0, "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.1}),
    "ministral3 beyond": like_llama("ministral3", head_dim=12, rope_parameters={
        "rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 16, "rope_theta": 1000.0, "beta_fast": 32.0, "beta_slow": 1.0,
        "mscale": 1.0, "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.75}),
    "ministral3 all defaults": like_llama("ministral3", head_dim=12),
    "qwen2": like_llama("qwen2"),
    "qwen2 tied, yarn": like_llama("qwen2", tie_word_embeddings=True, rope_theta=1000.0, rope_scaling={
        "type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}),
    "qwen2 windows": like_llama("qwen2", use_sliding_window=True, sliding_window=16, max_window_layers=1),
    "qwen3": like_llama("qwen3", head_dim=12),
    "qwen3 biases": like_llama("qwen3", head_dim=8, attention_bias=True, use_sliding_window=True, sliding_window=16, max_window_layers=0),
    "gemma": like_llama("gemma", head_dim=12),
    "gemma biases": like_llama("gemma", head_dim=8, attention_bias=True, tie_word_embeddings=False, hidden_act="silu"),
    "gemma gelu": like_llama("gemma", head_dim=8, hidden_act="gelu"),
    "gemma2": like_llama("gemma2", **GEMMA, sliding_window=16, attn_logit_softcapping=3.0, final_logit_softcapping=2.0),
    "gemma2 uncapped": like_llama("gemma2", **GEMMA, sliding_window=16, layer_types=[FULL, WINDOW], attn_logit_softcapping=None,
                                  final_logit_softcapping=None),
    "gemma3": like_llama("gemma3_text", **GEMMA, sliding_window=16, num_hidden_layers=3, layer_types=[WINDOW, WINDOW, FULL], rope_parameters={
        FULL: {"rope_type": "linear", "factor": 8.0, "rope_theta": 3000.0}, WINDOW: {"rope_type": "default", "rope_theta": 500.0}}),
    "gemma3 all defaults": like_llama("gemma3_text", head_dim=12, hidden_size=16, num_attention_heads=2, num_key_value_heads=1, intermediate_size=16,
                                      num_hidden_layers=6, sliding_window=16),
    "gemma3 older keys": like_llama("gemma3_text", **GEMMA, sliding_window=16, num_hidden_layers=3, sliding_window_pattern=2, rope_theta=5000.0,
                                    rope_local_base_freq=300.0, rope_scaling={"rope_type": "linear", "factor": 4.0}),
    "gemma3 both keys": like_llama("gemma3_text", **GEMMA, attn_logit_softcapping=2.0, final_logit_softcapping=3.0, sliding_window=16, layer_types=[WINDOW, FULL], rope_local_base_freq=200.0, rope_parameters={
        FULL: {"rope_type": "default", "rope_theta": 3000.0}, WINDOW: {"rope_type": "default"}}, rope_scaling={"rope_type": "linear", "factor": 5.0}),
    "phi3": like_llama("phi3"),
    "phi3 window": like_llama("phi3", sliding_window=16, num_key_value_heads="absent", rope_parameters={"rope_type": "default", "rope_theta": 3000.0}),
    "phi3 longrope, short": like_llama("phi3", rope_scaling={k: v for k, v in long_rope(4, 64).items() if k in ("short_factor", "long_factor")}
                                       | {"type": "longrope"}, original_max_position_embeddings=64),
    "phi3 longrope, long": like_llama("phi3", rope_parameters=long_rope(4, 32), original_max_position_embeddings=32),
    "phi3 part, longrope": like_llama("phi3", num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True,
                                      rope_parameters=long_rope(6, 32, partial_rotary_factor=0.75), original_max_position_embeddings=32),
    "phi": like_llama("phi", num_key_value_heads="absent"),
    "phi groups": like_llama("phi", partial_rotary_factor=0.75, hidden_act="gelu"),
    "phi normed heads": like_llama("phi", num_key_value_heads="absent", qk_layernorm=True),
    "olmo": like_llama("olmo"),
    "olmo clamped": like_llama("olmo", clip_qkv=0.75, attention_bias=True, tie_word_embeddings=True),
    "olmo2": like_llama("olmo2"),
    "olmo2 biases": like_llama("olmo2", attention_bias=True, num_key_value_heads="absent", rms_norm_eps=1e-3),
    "olmo3": like_llama("olmo3", num_hidden_layers=4, sliding_window=16),
    "olmo3 yarn": like_llama("olmo3", sliding_window=16, layer_types=[WINDOW, FULL], rope_theta=2000.0, rope_scaling={
        k: v for k, v in YARN.items() if k != "rope_theta"}),
    "olmo3 typed": like_llama("olmo3", sliding_window=16, layer_types=[WINDOW, FULL], rope_parameters={
        FULL: YARN, WINDOW: {"rope_type": "default"}}),
    "smollm3": like_llama("smollm3", num_hidden_layers=4),
    "smollm3 list": like_llama("smollm3", no_rope_layers=[0, 1], attention_bias=True, mlp_bias=True, use_sliding_window=True, sliding_window=16,
                               layer_types=[FULL, WINDOW]),
    "granite": like_llama("granite", embedding_multiplier=3.0, logits_scaling=2.0, residual_multiplier=0.375, attention_multiplier=0.25,
                          tie_word_embeddings=True),
    "granite biases": like_llama("granite", attention_bias=True, mlp_bias=True),
    "internlm3": like_llama("internlm3", head_dim=8),
    "glm": like_llama("glm", head_dim=8),
    "glm no bias": like_llama("glm", head_dim=16, attention_bias=False, partial_rotary_factor=0.25),
    "glm4": like_llama("glm4", head_dim=8),
    "cohere": like_llama("cohere", logit_scale=0.5),
    "cohere biases": like_llama("cohere", attention_bias=True, tie_word_embeddings=False),
    "cohere normed heads": like_llama("cohere", logit_scale=0.5, use_qk_norm=True),
    "cohere2": like_llama("cohere2", num_hidden_layers=4, sliding_window=16),
    "stablelm": like_llama("stablelm", num_key_value_heads=4, partial_rotary_factor=0.5),
    "stablelm parallel": like_llama("stablelm", use_parallel_residual=True, use_qkv_bias=True, num_attention_heads=2, num_key_value_heads=1),
    "stablelm normed heads": like_llama("stablelm", num_key_value_heads=4, qk_layernorm=True, partial_rotary_factor=0.5),
    "starcoder2": like_llama("starcoder2", sliding_window=16),
    "starcoder2 no bias": like_llama("starcoder2", use_bias=False, sliding_window=None, tie_word_embeddings=False, hidden_act="gelu"),
    "seed_oss": like_llama("seed_oss", head_dim=12),
    "seed_oss biases": like_llama("seed_oss", head_dim=8, attention_out_bias=True, mlp_bias=True, attention_bias=False),
    "exaone4": like_llama("exaone4", num_hidden_layers=4, sliding_window=16),
    "exaone4 no window": like_llama("exaone4", sliding_window=None, layer_types=[FULL, FULL]),
    "helium": like_llama("helium", head_dim=8),
    "helium biases": like_llama("helium", head_dim=8, attention_bias=True, mlp_bias=True),
    "ernie4_5": like_llama("ernie4_5", head_dim=8),
    "ernie4_5 biases": like_llama("ernie4_5", head_dim=12, use_bias=True, tie_word_embeddings=False),
    "hunyuan": like_llama("hunyuan_v1_dense", head_dim=8),
    "hunyuan alpha": like_llama("hunyuan_v1_dense", head_dim=8, rope_scaling={"type": "dynamic", "alpha": 50.0, "factor": 1.0}),
    "nemotron": like_llama("nemotron"),
    "nemotron biases": like_llama("nemotron", attention_bias=True, mlp_bias=True, partial_rotary_factor=0.25),
    "arcee": like_llama("arcee"),
    "arcee biases": like_llama("arcee", attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
    "gpt2": older("gpt2", **GPT),
    "gpt2 narrow": older("gpt2", **GPT, n_inner=24, activation_function="relu"),
    "gpt2 not scaled": older("gpt2", **GPT, scale_attn_weights=False, tie_word_embeddings=False),
    "gpt2 other names": older("gpt2", hidden_size=32, num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=64),
    "gpt2 heads of 5": older("gpt2", **GPT | {"n_embd": 20}),
    "gpt2 scaled by layer": older("gpt2", **GPT | {"n_layer": 3}, scale_attn_by_inverse_layer_idx=True, reorder_and_upcast_attn=True),
    "gpt_neo": older("gpt_neo", hidden_size=32, num_layers=2, num_heads=4, attention_types=[[["global", "local"], 1]], window_size=16,
                     max_position_embeddings=64, intermediate_size=40),
    "gptj": older("gptj", **GPT, rotary_dim=4),
    "gptj narrow": older("gptj", **GPT, n_inner=24, rotary_dim=6),
    "gpt_neox": like_llama("gpt_neox", num_key_value_heads="absent"),
    "gpt_neox one after the other": like_llama("gpt_neox", num_key_value_heads="absent", use_parallel_residual=False, rotary_pct=0.5,
                                               rotary_emb_base=3000, tie_word_embeddings=True),
    "gpt_neox no bias": like_llama("gpt_neox", num_key_value_heads="absent", attention_bias=False, hidden_act="gelu_new", rope_theta=500.0,
                                   partial_rotary_factor=0.5),
    "opt": older("opt", **OPT),
    "opt narrow embedding": older("opt", **OPT, word_embed_proj_dim=20, do_layer_norm_before=False),
    "opt gelu": older("opt", **OPT, activation_function="gelu", enable_bias=False),
    "bloom": older("bloom", hidden_size=24, n_layer=2, n_head=6),
    "bloom heads of 7, other names": older("bloom", n_embed=21, n_layer=2, num_attention_heads=3),
    "mpt": older("mpt", d_model=24, n_layers=2, n_heads=6, max_seq_len=64),
    "mpt clamped": older("mpt", d_model=32, n_layers=2, n_heads=4, max_seq_len=64, attn_config={"clip_qkv": 0.75, "softmax_scale": 0.5}),
    "falcon": older("falcon", **FALCON),
    "falcon each its own": older("falcon", **FALCON, multi_query=False, parallel_attn=False, bias=True, ffn_hidden_size=40),
    "falcon groups": older("falcon", **FALCON, new_decoder_architecture=True, num_kv_heads=2),
    "falcon groups, one norm": older("falcon", **FALCON, new_decoder_architecture=True, num_kv_heads=2, num_ln_in_parallel_attn=1, bias=True),
    "falcon alibi": older("falcon", **FALCON | {"hidden_size": 36, "num_attention_heads": 6}, alibi=True, multi_query=False, parallel_attn=False, bias=True,
                          ffn_hidden_size=40),
    "falcon alibi, one key head": older("falcon", **FALCON, alibi=True),
    "gemma3 with pictures": {"model_type": "gemma3", "mm_tokens_per_image": 4, "vision_config": {"model_type": "siglip_vision_model", **PICTURES},
                             "text_config": like_llama("gemma3_text", **GEMMA, sliding_window=16, layer_types=[WINDOW, FULL])},
    "mistral3 with pictures": {"model_type": "mistral3", "vision_config": {"model_type": "pixtral", **PICTURES, "head_dim": 8},
                               "text_config": like_llama("mistral", head_dim=12, sliding_window=None, tie_word_embeddings=False)},
    "mistral3 with a head": {"model_type": "mistral3", "vision_config": {"model_type": "pixtral", **PICTURES, "head_dim": 8},
                             "tie_word_embeddings": False, "text_config": like_llama("mistral", head_dim=12, tie_word_embeddings=True)},
    "mistral3 of ministral3": {"model_type": "mistral3", "vision_config": {"model_type": "pixtral", **PICTURES, "head_dim": 8},
                               "text_config": like_llama("ministral3", head_dim=12, tie_word_embeddings=True, rope_parameters={
                                   "rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 64, "rope_theta": 1000.0,
                                   "llama_4_scaling_beta": 0.1})},
}

# Families with experts, in a file of their own (families.py --experts).
EXPERTS = {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 20}
LOCAL = {"num_local_experts": 6, "num_experts_per_tok": 2, "intermediate_size": 24}
ROUTED = {"n_routed_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 20}
LATENT = {"num_key_value_heads": 4, "q_lora_rank": 20, "kv_lora_rank": 16, "qk_rope_head_dim": 6, "qk_nope_head_dim": 10, "v_head_dim": 8}
CHUNK = "chunked_attention"
CHUNKED = {"intermediate_size": 20, "intermediate_size_mlp": 40, "num_local_experts": 6, "head_dim": 8, "attention_chunk_size": 16}

EXPERT_CASES = {
    "mixtral": like_llama("mixtral", **LOCAL),
    "mixtral window": like_llama("mixtral", **LOCAL | {"num_local_experts": 5, "num_experts_per_tok": 3}, sliding_window=16, head_dim=12),
    "qwen2_moe": like_llama("qwen2_moe", **EXPERTS, shared_expert_intermediate_size=28),
    "qwen2_moe every second layer": like_llama("qwen2_moe", **EXPERTS, shared_expert_intermediate_size=28, num_hidden_layers=4, decoder_sparse_step=2,
                                               norm_topk_prob=True, qkv_bias=False),
    "qwen3_moe": like_llama("qwen3_moe", **EXPERTS, head_dim=12),
    "qwen3_moe normalised, one dense": like_llama("qwen3_moe", **EXPERTS, num_hidden_layers=3, mlp_only_layers=[1], norm_topk_prob=True,
                                                  attention_bias=True),
    "olmoe": like_llama("olmoe", **EXPERTS | {"moe_intermediate_size": "absent"}),
    "olmoe normalised, one of four": like_llama("olmoe", num_experts=4, num_experts_per_tok=1, norm_topk_prob=True, tie_word_embeddings=True),
    "granitemoe": like_llama("granitemoe", **LOCAL, embedding_multiplier=3.0, residual_multiplier=0.5, attention_multiplier=0.25, logits_scaling=2.0),
    "granitemoe plain": like_llama("granitemoe", **LOCAL | {"num_experts_per_tok": 4}, attention_bias=True),
    "glm4_moe": like_llama("glm4_moe", **ROUTED, head_dim=12, use_qk_norm=True, num_hidden_layers=3),
    "glm4_moe groups, all layers": like_llama("glm4_moe", **ROUTED | {"n_routed_experts": 12, "num_experts_per_tok": 3}, n_group=3, topk_group=2,
                                              routed_scaling_factor=0.75, first_k_dense_replace=0, n_shared_experts=2, attention_bias=True,
                                              norm_topk_prob=False, partial_rotary_factor=0.25, head_dim=16),
    "phimoe": like_llama("phimoe", **LOCAL, attention_bias=True, lm_head_bias=True, router_jitter_noise=0.4),
    "phimoe longrope, window": like_llama("phimoe", **LOCAL | {"num_local_experts": 8}, sliding_window=16, head_dim=12,
                                          rope_parameters=long_rope(6, 32, short_mscale=1.25, long_mscale=1.25)),
    "deepseek_v2": like_llama("deepseek_v2", **LATENT, **ROUTED, n_shared_experts=2, first_k_dense_replace=1, num_hidden_layers=3,
                              routed_scaling_factor=1.5, rope_parameters={**YARN, "mscale": 0.7, "mscale_all_dim": 0.5}),
    "deepseek_v2 groups, straight queries": like_llama(
        "deepseek_v2", **LATENT | {"q_lora_rank": None, "v_head_dim": 12}, **ROUTED | {"n_routed_experts": 12, "num_experts_per_tok": 3},
        topk_method="group_limited_greedy", n_group=4, topk_group=2, n_shared_experts=1),
    "deepseek_v3": like_llama("deepseek_v3", **LATENT, **ROUTED | {"n_routed_experts": 12, "num_experts_per_tok": 3}, n_group=3, topk_group=2,
                              first_k_dense_replace=1, num_hidden_layers=3, routed_scaling_factor=0.75),
    "deepseek_v3 halves, yarn": like_llama("deepseek_v3", **LATENT, **ROUTED, n_group=1, topk_group=1, first_k_dense_replace=0,
                                           routed_scaling_factor=1.0, rope_interleave=False, norm_topk_prob=False,
                                           rope_parameters={**YARN, "mscale": 1.0, "mscale_all_dim": 1.0}),
    "glm4_moe_lite": like_llama("glm4_moe_lite", **LATENT, **ROUTED, num_hidden_layers=3, mlp_layer_types=["sparse", "dense", "sparse"]),
    "dots1": like_llama("dots1", **ROUTED, n_shared_experts=1, first_k_dense_replace=1, num_hidden_layers=3, sliding_window=None,
                        norm_topk_prob=True, routed_scaling_factor=1.5),
    "gpt_oss": like_llama("gpt_oss", **LOCAL, sliding_window=16, head_dim=12, rope_parameters={
        "rope_type": "yarn", "factor": 32.0, "original_max_position_embeddings": 4, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": False}),
    "gpt_oss clamped": like_llama("gpt_oss", **LOCAL | {"num_local_experts": 5, "num_experts_per_tok": 3}, sliding_window=16, head_dim=8,
                                  num_hidden_layers=3, swiglu_limit=0.25, layer_types=[FULL, WINDOW, FULL], attention_bias=False,
                                  tie_word_embeddings=True, rope_theta=1000.0, rope_scaling={
                                      "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "truncate": False}),
    "llama4_text": like_llama("llama4_text", **CHUNKED, num_experts_per_tok=1, num_hidden_layers=4, interleave_moe_layer_step=2, floor_scale=8, attn_scale=0.5),
    "llama4_text two of six, plain": like_llama(
        "llama4_text", **CHUNKED | {"attention_chunk_size": 20}, num_experts_per_tok=2, num_hidden_layers=3, moe_layers=[0, 2], no_rope_layers=[1, 0, 1],
        layer_types=[CHUNK, CHUNK, FULL], use_qk_norm=False, attention_bias=True, attn_temperature_tuning=False, tie_word_embeddings=True,
        rope_parameters={"rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                         "original_max_position_embeddings": 32}),
    "llama4 with pictures": {
        "model_type": "llama4", "text_config": like_llama("llama4_text", **CHUNKED, num_experts_per_tok=1, num_hidden_layers=2, interleave_moe_layer_step=2),
        "vision_config": {"model_type": "llama4_vision_model", **PICTURES, "num_channels": 3, "vision_output_dim": 16, "projector_input_dim": 16,
                          "projector_output_dim": 16}},
}

# Whose experts are stored as MXFP4 (families.py, pack).
EXPERT_CASES["gpt_oss mxfp4"] = like_llama("gpt_oss", **LOCAL | {"intermediate_size": 32}, sliding_window=16, head_dim=8, swiglu_limit=1.0, rope_parameters={
    "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "rope_theta": 1000.0, "truncate": False},
    quantization_config={"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router"]})

# config.json as transformers saves it, with all the keys that the class knows.
SAVED = {"llama", "mistral window", "ministral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "phi3 part, longrope", "phi", "olmo clamped", "olmo3",
         "smollm3 list", "granite", "glm", "cohere", "cohere2", "stablelm parallel", "starcoder2", "exaone4", "helium biases", "nemotron", "gpt2", "gpt_neo",
         "gptj", "gpt_neox one after the other", "opt narrow embedding", "bloom", "mpt clamped", "falcon groups", "gemma3 with pictures", "mixtral",
         "qwen2_moe", "qwen3_moe", "olmoe", "granitemoe", "glm4_moe", "phimoe",
         "deepseek_v2", "deepseek_v3", "gpt_oss", "llama4_text"}
