"""Makes ../data/stories: a small LLaMA in fp32 with its tokenizer, and a text for it.
stories.py OUT: everything anew in the folder OUT, about ten minutes on two cores. Other versions of torch and other CPUs
give another model of the same kind, so that what the other scripts make of it has to be made again.
stories.py --ids OUT: only the calibration ids, of the text and the tokenizer that are there.

The text is what examples/tiny-stories writes. Most of it trains a SentencePiece BPE vocabulary with byte fallback (written as
tokenizer.model and as tokenizer.json) and the model; the end, TEXT_BYTES, is kept as text.txt."""
import io
import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"
import sentencepiece
import torch
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

HERE = os.path.dirname(os.path.abspath(__file__))
WRITER = os.path.join(HERE, "..", "..", "examples", "tiny-stories")
MADE = os.path.join(HERE, "..", "data", "stories")
TEXT_BYTES = 150000
ROUNDS, AT_ONCE, TOKENS = 7, 128, 448
VOCABULARY, SPECIAL = 512, ["<unk>", "<s>", "</s>"]
SHAPE = {"hidden_size": 64, "intermediate_size": 172, "num_hidden_layers": 5, "num_attention_heads": 8,
         "num_key_value_heads": 4, "head_dim": 8, "max_position_embeddings": 512, "vocab_size": VOCABULARY,
         "rms_norm_eps": 1e-5, "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2}
BEHIND, CALIBRATED, BATCHED = 300, 32, 10
STEPS, BATCH, LENGTH, RATE = 1000, 32, 128, 4e-3


def written():
    """Stories, each ending with a whole sentence."""
    torch.manual_seed(1)
    model = transformers.LlamaForCausalLM.from_pretrained(WRITER, dtype=torch.float32).eval()
    model.config.use_cache = model.generation_config.use_cache = True
    tokenizer = Tokenizer.from_file(os.path.join(WRITER, "tokenizer.json"))
    stories = []
    for _ in range(ROUNDS):
        with torch.no_grad():
            rows = model.generate(torch.full((AT_ONCE, 1), 1), do_sample=True, temperature=0.9, top_k=0, top_p=0.95,
                                  max_new_tokens=TOKENS, pad_token_id=0)
        for row in rows.tolist():
            text = tokenizer.decode(row, skip_special_tokens=True).strip()
            stories.append(text[:text.rfind(".") + 1])
        print(len(stories), "stories", flush=True)
    return stories


def write_tokenizer(stories, folder):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter("\n\n".join(stories).split("\n")), model_writer=model, model_type="bpe", byte_fallback=True,
        vocab_size=VOCABULARY, character_coverage=1.0, normalization_rule_name="identity", remove_extra_whitespaces=False,
        split_digits=True, allow_whitespace_only_pieces=True, num_threads=1, minloglevel=2)
    with open(os.path.join(folder, "tokenizer.model"), "wb") as f:
        f.write(model.getvalue())
    tokenizer = as_json(sentencepiece.SentencePieceProcessor(model_proto=model.getvalue()))
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    return tokenizer


def as_json(pieces):
    """The same vocabulary for tokenizers: pairs merge in the order of the pieces that they make."""
    vocabulary = {pieces.id_to_piece(i): i for i in range(len(pieces))}
    merges = []
    for piece, i in vocabulary.items():
        if pieces.is_control(i) or pieces.is_unknown(i) or pieces.is_byte(i):
            continue
        pairs = [(piece[:k], piece[k:]) for k in range(1, len(piece)) if {piece[:k], piece[k:]} <= vocabulary.keys()]
        merges += sorted(pairs, key=lambda p: (vocabulary[p[0]], vocabulary[p[1]]))
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in SPECIAL])
    return tokenizer


def train(ids):
    torch.manual_seed(2)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SHAPE, attn_implementation="sdpa"))
    optimizer = torch.optim.AdamW(model.parameters(), RATE, (0.9, 0.98), weight_decay=0.1)
    at = lambda step: min(1.0, (step + 1) / 50, (STEPS - step) / (0.5 * STEPS))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, at)
    for step in range(STEPS):
        starts = torch.randint(len(ids) - LENGTH, (BATCH,))
        batch = ids[starts[:, None] + torch.arange(LENGTH)]
        loss = model(input_ids=batch, labels=batch).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print("step", step + 1, "loss", round(loss.item(), 4), flush=True)
    return model


def write_ids(tokenizer, text, folder):
    """What is calibrated with: windows of the text behind those that sparse.py evaluates."""
    ids = torch.tensor(tokenizer.encode(text).ids)[:(BEHIND + CALIBRATED + BATCHED) * LENGTH].view(-1, LENGTH)
    write_json(folder, "calibration_ids.json", ids[BEHIND:BEHIND + CALIBRATED].tolist(), None)
    write_json(folder, "ids.json", ids[BEHIND + CALIBRATED:, :LENGTH // 2].tolist(), None)


def write_json(folder, name, content, indent=2):
    with open(os.path.join(folder, name), "w", encoding="utf-8", newline="\n") as f:
        json.dump(content, f, indent=indent)
        f.write("\n")


def main():
    *only_ids, folder = sys.argv[1:]
    torch.set_num_threads(1)  # one order of sums
    os.makedirs(folder, exist_ok=True)
    if only_ids == ["--ids"]:
        with open(os.path.join(MADE, "text.txt"), encoding="utf-8", newline="") as f:
            write_ids(Tokenizer.from_file(os.path.join(MADE, "tokenizer.json")), f.read(), folder)
        return
    stories = written()
    text = "\n\n".join(stories)
    kept = text[text.index("\n\n", len(text) - TEXT_BYTES) + 2:]
    with open(os.path.join(folder, "text.txt"), "w", encoding="utf-8", newline="\n") as f:
        f.write(kept)
    stories = text[:len(text) - len(kept)].strip().split("\n\n")
    tokenizer = write_tokenizer(stories, folder)
    write_ids(tokenizer, kept, folder)
    ids = torch.tensor(tokenizer.encode("\n\n".join(stories)).ids)
    print(len(text), "characters,", len(ids), "ids", flush=True)
    model = train(ids)
    model.save_pretrained(folder)
    write_json(folder, "tokenizer_config.json", {
        "tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "legacy": True,
        "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "clean_up_tokenization_spaces": False})


if __name__ == "__main__":
    main()
