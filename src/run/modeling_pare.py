# Models whose layers differ in width, as pare writes them. Copyright: the authors of pare; licence: Apache 2.0.
"""Loads with AutoModelForCausalLM.from_pretrained(FOLDER, trust_remote_code=True).

All computation is transformers' own: a model is the stock class of its family whose layers are built once more, each
from config.json as that layer sees it, with its own widths in place of the lists. Classes are made by name:
PareXForCausalLM is one over XForCausalLM, PareXForConditionalGeneration (text and pictures) one over
XForConditionalGeneration; DeciLMForCausalLM one over LLaMA, whose widths are in "block_configs"; and with Config behind
the name it is the configuration's class.
"""

import inspect

import transformers
from torch import nn

try:
    from transformers import conversion_mapping as renamed
except ImportError:  # before transformers 5
    renamed = None

HEADS = ("num_attention_heads", "n_head", "num_heads")
KV_HEADS = ("num_key_value_heads", "num_kv_heads")
HIDDEN = ("hidden_size", "n_embd")
FFN = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size")
# Classes that take the size of their heads from the hidden size, and what their layers call the attention.
DERIVED = {"gptj": "attn", "gpt_neox": "attention", "helium": "self_attn"}
OUTPUTS = ("o_proj", "out_proj", "dense", "c_proj")  # what an attention calls its last matrix


class Block(dict):
    """An entry of block_configs, with its members as attributes."""

    def __getattr__(self, name):
        if name not in self:
            raise AttributeError(name)
        return self[name]


def ffn_width(ffn, hidden):
    """What Nemotron-NAS makes of ffn_mult: rounded up to a multiple of 256."""
    if "ffn_mult" not in ffn:
        return ffn["intermediate_size"]
    return -(-int(2 * ffn["ffn_mult"] * hidden / 3) // 256) * 256


def block_widths(blocks, heads, hidden):
    attentions, ffns = [b["attention"] for b in blocks], [b["ffn"] for b in blocks]
    return {
        "num_attention_heads": [0 if a.get("no_op") else heads for a in attentions],
        "num_key_value_heads": [0 if a.get("no_op") else heads // a["n_heads_in_group"] for a in attentions],
        "intermediate_size": [0 if f.get("no_op") else ffn_width(f, hidden) for f in ffns],
    }


class LayerView:
    """The configuration as one layer sees it."""

    def __init__(self, config, index, **others):
        self.__dict__["base"] = config
        self.__dict__["own"] = {key: widths[index] for key, widths in config.layer_widths.items()} | others

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        name = self.base.attribute_map.get(name, name)
        return self.own[name] if name in self.own else getattr(self.base, name)


def with_one_width(kwargs, blocks):
    """What config.json says with a number in place of every list, and the lists."""
    found = {k: v for k, v in kwargs.items() if k in HEADS + KV_HEADS + FFN and isinstance(v, list)}
    if blocks and kwargs.get("block_configs"):
        entries = [Block(attention=Block(b["attention"]), ffn=Block(b["ffn"])) for b in kwargs["block_configs"]]
        found = block_widths(entries, kwargs["num_attention_heads"], kwargs["hidden_size"])
        kwargs = kwargs | {"block_configs": entries}
    # For whoever asks the model as a whole: the widest layer, and heads that fill the hidden size, which is what classes
    # check.
    most = {key: max(widths) for key, widths in found.items()}
    hidden, size = next((kwargs[k] for k in HIDDEN if k in kwargs), 0), kwargs.get("head_dim", 0)
    if size and hidden % size == 0:
        most.update({key: hidden // size for key in most if key in HEADS})
    return kwargs | most, found


def text_part(config):
    """The configuration of the language model, inside that of a model of more than text."""
    return getattr(config, "text_config", config)


def configuration(name, stock, blocks):
    class Config(stock):
        layer_widths = {}

        def __init__(self, **kwargs):
            if isinstance(kwargs.get("text_config"), dict):
                inner, found = with_one_width(kwargs["text_config"], False)
                kwargs = kwargs | {"text_config": inner}
            else:
                kwargs, found = with_one_width(kwargs, blocks)
            derives_size = isinstance(getattr(stock, "head_dim", None), property)
            super().__init__(**{k: v for k, v in kwargs.items() if k != "head_dim" or not derives_size})
            text_part(self).layer_widths = found
            if blocks and found:  # vLLM asks for it
                self.num_attention_heads = max(found["num_attention_heads"])

        def validate(self):
            """Whatever was to be checked was when it was made."""

        def to_dict(self):
            out = super().to_dict()
            inner = out.get("text_config", out)
            widths = inner.pop("layer_widths", None)
            if widths and not blocks:
                inner.update(widths, head_dim=text_part(self).head_dim)
            return out

    Config.__name__ = Config.__qualname__ = name
    Config.__module__ = __name__
    if blocks:
        Config.model_type = "nemotron-nas"
    return Config


class Hollow(nn.Module):
    """In place of a matrix without rows, or without columns: files have none of it but the bias of its outputs."""

    def __init__(self, width, bias):
        super().__init__()
        self.in_features, self.out_features, self.bias = 0, width, bias

    def forward(self, x):
        zeros = x.new_zeros(*x.shape[:-1], self.out_features)
        return zeros if self.bias is None else zeros + self.bias


def hollow_attention(layer):
    """It has no heads, and is there as one of zeros, as caches count its tokens."""
    inside = [m for n, m in layer.named_children() if ("attn" in n or "attention" in n) and len(list(m.children()))]
    for parent in inside[0].modules():
        for name, matrix in list(parent.named_children()):
            if isinstance(matrix, nn.Linear):
                setattr(parent, name, Hollow(matrix.out_features, matrix.bias if name in OUTPUTS else None))


def hollow_ffn(layer):
    """Whether it has no channels, and so matrices without elements."""
    found = False
    for parent in list(layer.modules()):
        for name, matrix in list(parent.named_children()):
            weight = getattr(matrix, "weight", None)
            if weight is not None and not weight.numel():
                width = matrix.out_features if isinstance(matrix, nn.Linear) else matrix.nf
                setattr(parent, name, Hollow(width, matrix.bias if width else None))
                found = True
    return found


def new_layer(old, config, index):
    derived = DERIVED.get(config.model_type)
    widths = {key: list_[index] for key, list_ in config.layer_widths.items()}
    ghost = {key: 1 for key in HEADS + KV_HEADS if widths.get(key) == 0}
    fixed = {key: getattr(config, key) for key in HEADS if key in widths} if derived else ghost
    numbered = len(inspect.signature(type(old).__init__).parameters) > 2
    layer = type(old)(LayerView(config, index, **ghost | fixed), *((index,) if numbered else ()))
    if derived:
        # Built as if the model were as wide as its heads, then the outer sides of its matrices are the model's.
        inner = LayerView(config, index, **ghost).num_attention_heads * config.head_dim
        hidden = config.attribute_map.get("hidden_size", "hidden_size")
        attention = type(getattr(layer, derived))(LayerView(config, index, **ghost | {hidden: inner}), index)
        for name, matrix in list(attention.named_children()):
            if isinstance(matrix, nn.Linear):
                sides = (inner, config.hidden_size) if name in OUTPUTS else (config.hidden_size, matrix.out_features)
                setattr(attention, name, nn.Linear(*sides, bias=matrix.bias is not None))
        setattr(layer, derived, attention)
    if ghost:
        hollow_attention(layer)
    return layer, hollow_ffn(layer) or bool(ghost)


def rebuild(model, config):
    """Every layer with its own widths. What files may lack, or have, of layers without a half is no news."""
    inner = [m for n, m in model.named_modules() if n.split(".")[-1] == "language_model"]
    lists = (m for m in (inner or [model])[0].modules() if isinstance(m, nn.ModuleList))
    layers = next(m for m in lists if len(m) == config.num_hidden_layers)
    missing, unexpected = [], []
    for index, old in enumerate(layers):
        layers[index], lacks = new_layer(old, config, index)
        if lacks:
            missing.append(rf"\.{index}\.[a-z_]*(norm|ln_)[a-z_\d]*\.")
            unexpected += [
                rf"\.{index}\.{name}\." for name, m in layers[index].named_modules() if isinstance(m, Hollow)
            ]
    model._keys_to_ignore_on_load_missing = [*(model._keys_to_ignore_on_load_missing or ()), *missing]
    model._keys_to_ignore_on_load_unexpected = [*(model._keys_to_ignore_on_load_unexpected or ()), *unexpected]


def model(name, stock, config_class):
    class Model(stock):
        def __init__(self, config, *args, **kwargs):
            super().__init__(config, *args, **kwargs)
            text = text_part(config)
            if text.layer_widths:
                rebuild(self, text)
                self.post_init()

    Model.__name__ = Model.__qualname__ = name
    Model.__module__ = __name__
    Model.config_class = config_class
    mapping = renamed and (
        renamed.get_checkpoint_conversion_mapping(stock.__name__)
        or renamed.get_checkpoint_conversion_mapping(stock.config_class.model_type)
    )
    if mapping:  # tensors that files call otherwise than the class
        renamed.register_checkpoint_conversion_mapping(name, mapping, overwrite=True)
    return Model


def __getattr__(name):
    """The class of this name, made when it is first asked for."""
    whole = name.removesuffix("Config")
    blocks = whole == "DeciLMForCausalLM"
    stock = getattr(transformers, "LlamaForCausalLM" if blocks else whole.removeprefix("Pare"), None)
    if stock is None or not (blocks or whole.startswith("Pare")):
        raise AttributeError(f"transformers {transformers.__version__} has no {whole.removeprefix('Pare')}")
    config_class = globals().get(whole + "Config") or configuration(whole + "Config", stock.config_class, blocks)
    globals()[whole + "Config"] = config_class
    if name != whole:
        return config_class
    globals()[name] = model(name, stock, config_class)
    return globals()[name]
