# Models whose layers differ in width, as pare writes them. Copyright: the authors of pare; licence: Apache 2.0.
"""Loads with AutoModelForCausalLM.from_pretrained(FOLDER, trust_remote_code=True).

All computation is transformers' own: a model is the stock class of its family whose layers are built once more, each
from config.json as that layer sees it, with its own widths in place of the lists. Classes are made by name:
PareXForCausalLM is one over XForCausalLM; DeciLMForCausalLM one over LLaMA, whose widths are in "block_configs"; and
with Config behind the name it is the configuration's class.
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
    return {
        "num_key_value_heads": [heads // b["attention"]["n_heads_in_group"] for b in blocks],
        "intermediate_size": [ffn_width(b["ffn"], hidden) for b in blocks],
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


def configuration(name, stock, blocks):
    class Config(stock):
        layer_widths = {}

        def __init__(self, **kwargs):
            found = {k: v for k, v in kwargs.items() if k in HEADS + KV_HEADS + FFN and isinstance(v, list)}
            if blocks and kwargs.get("block_configs"):
                kwargs["block_configs"] = [
                    Block(attention=Block(b["attention"]), ffn=Block(b["ffn"])) for b in kwargs["block_configs"]
                ]
                found = block_widths(kwargs["block_configs"], kwargs["num_attention_heads"], kwargs["hidden_size"])
            # For whoever asks the model as a whole: the widest layer, and heads that fill the hidden size, which is
            # what classes check.
            most = {key: max(widths) for key, widths in found.items()}
            hidden, size = next((kwargs[k] for k in HIDDEN if k in kwargs), 0), kwargs.get("head_dim", 0)
            if size and hidden % size == 0:
                most.update({key: hidden // size for key in most if key in HEADS})
            derives_size = isinstance(getattr(stock, "head_dim", None), property)
            super().__init__(**{k: v for k, v in (kwargs | most).items() if k != "head_dim" or not derives_size})
            self.layer_widths = found

        def to_dict(self):
            out = super().to_dict()
            out.pop("layer_widths", None)
            if self.layer_widths and not blocks:
                out.update(self.layer_widths, head_dim=self.head_dim)
            return out

    Config.__name__ = Config.__qualname__ = name
    Config.__module__ = __name__
    if blocks:
        Config.model_type = "nemotron-nas"
    return Config


class Hollow(nn.Linear):
    """A matrix of an attention without heads: without rows, or columns, in place of that of one head of zeros."""

    def __init__(self, matrix, sides):
        super().__init__(*sides, bias=matrix.bias is not None)
        self.width = matrix.out_features

    def forward(self, x):
        zeros = x.new_zeros(*x.shape[:-1], self.width)
        return zeros if self.bias is None or not self.out_features else zeros + self.bias


def hollow(layer, hidden):
    """The attention has no heads; caches still count its tokens."""
    inside = [m for n, m in layer.named_children() if ("attn" in n or "attention" in n) and len(list(m.children()))]
    for parent in inside[0].modules():
        for name, matrix in list(parent.named_children()):
            if isinstance(matrix, nn.Linear):
                sides = (0, hidden) if name in OUTPUTS else (hidden, 0)
                setattr(parent, name, Hollow(matrix, sides))


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
        hollow(layer, config.hidden_size)
    return layer


def model(name, stock, config_class):
    class Model(stock):
        def __init__(self, config, *args, **kwargs):
            super().__init__(config, *args, **kwargs)
            lists = (m for m in self.modules() if isinstance(m, nn.ModuleList))
            layers = next(m for m in lists if len(m) == config.num_hidden_layers)
            if config.layer_widths:
                for index, old in enumerate(layers):
                    layers[index] = new_layer(old, config, index)
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
