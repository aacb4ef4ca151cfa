"""Writes ../data/task_requests.json: made-up rows of the seven tasks and the requests that lm-evaluation-harness makes of them:
task_requests.py [OUT]. Needs lm_eval (0.4.13 was used; installed without what it depends on), jinja2 and yaml.

The harness's own task files say how: their templates are rendered here as its ConfigurableTask renders them."""
import ast
import importlib.util
import json
import os
import sys
import types

import jinja2
import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = {"boolq": "super_glue/boolq/default.yaml", "piqa": "piqa/piqa.yaml", "hellaswag": "hellaswag/hellaswag.yaml",
         "winogrande": "winogrande/default.yaml", "arc_easy": "arc/arc_easy.yaml", "arc_challenge": "arc/arc_challenge.yaml",
         "openbookqa": "openbookqa/openbookqa.yaml"}
NAMES = {"boolq": "boolq/val.jsonl", "piqa": "piqa/valid.jsonl", "hellaswag": "hellaswag/hellaswag_val.jsonl",
         "winogrande": "winogrande/dev.jsonl", "arc_easy": "arc/ARC-Easy-Test.jsonl",
         "arc_challenge": "arc/ARC-Challenge-Test.jsonl", "openbookqa": "openbookqa/test.jsonl"}


def of_labels(labels, texts):
    return {"label": labels, "text": texts}


def choice(key, question, labels, texts, answer):
    return {"id": "made up", key: question, "choices": of_labels(labels, texts), "answerKey": answer}


ARC = [choice("question", "Which of these is a mammal?", list("ABCD"), ["a trout", "a bat", "a wasp", "an oak"], "B"),
       choice("question", "Water boils  at 100 \u00b0C. Why is {{it}} {%lower%} on a mountain?\n", list("1234"),
              [" less pressure", "more pressure ", "it's colder", "\"nothing\""], "1"),
       choice("question", "na\u00efve \u2014 \u65e5\u672c\u8a9e?", list("ABCDE"), list("abcde"), "E"),
       choice("question", "Three only", list("ABC"), ["x", "y", "z\u00e9"], "C")]
ROWS = {
    "boolq": [{"passage": "Kites -- A kite is a toy.", "question": "is a kite a toy", "label": 1, "idx": 0},
              {"passage": " Two  spaces\nand a line ", "question": "Is it so?", "label": 0, "idx": 1},
              {"passage": "\u201cQuoted\u201d {passage}", "question": "caf\u00e9 \u2603", "label": 1, "idx": 2}],
    "piqa": [{"goal": "How do you keep a door open?", "sol1": "Put a wedge under it.", "sol2": "Put a wedge on it.", "label": 0},
             {"goal": "sieve", "sol1": " holds flour ", "sol2": "holds  \"water\", it's said", "label": 1},
             {"goal": "", "sol1": "a\nb", "sol2": "\u00fc\\n", "label": 1}],
    "hellaswag": [{"ind": 3, "activity_label": "Baking bread", "ctx_a": "A man kneads dough.", "ctx_b": "the man",
                   "endings": ["bakes it.", "throws it  away.", "[header] sings.", " sits [substeps] down "], "label": "0"},
                  {"ind": 8, "activity_label": "How to fold [a] shirt", "ctx_a": "[header] How to fold a shirt [title] Lay it flat. [step] Smooth it.",
                   "ctx_b": "", "endings": ["Fold  it.", "[title] Wear it.", "   ", "a] b [c"], "label": "2"},
                  {"ind": 9, "activity_label": "\u00c9tudes", "ctx_a": " She PLAYS.", "ctx_b": "\u00e9LODIE Smiles AND", "endings": ["a", "b", "c", "d\u2026"],
                   "label": "3"},
                  {"ind": 12, "activity_label": "Rowing", "ctx_a": "", "ctx_b": "they ROW", "endings": ["on.", "off.", "[x]y", "  z"], "label": "1"}],
    "winogrande": [{"sentence": "Anna thanked Eva because _ had helped her.", "option1": "Anna", "option2": "Eva", "answer": "2"},
                   {"sentence": "_ was too heavy for the shelf, the box or the book", "option1": "The box", "option2": "the book", "answer": "1"},
                   {"sentence": "The cat sat by the dog, as the lazy one was the  _  .", "option1": " cat", "option2": "dog ", "answer": "1"},
                   {"sentence": "He wrote a_b, and _ is \u00e9crit", "option1": "x", "option2": "y", "answer": "2"}],
    "arc_easy": ARC, "arc_challenge": ARC[::-1],
    "openbookqa": [choice("question_stem", "Ice is made of", list("ABCD"), ["water", "salt", "wood", "tin"], "A"),
                   choice("question_stem", "A  plant grows toward \n", list("ABCD"), [" light ", "soil", "you", "\u2603"], " D")],
}


def folder():
    found = importlib.util.find_spec("lm_eval")
    assert found, "lm_eval is not installed"
    return os.path.join(os.path.dirname(found.origin), "tasks")


def function(directory, name):
    """module.function of the task's folder; the module may want `datasets`, for its annotations alone."""
    module, attribute = name.rsplit(".", 1)
    sys.modules.setdefault("datasets", types.SimpleNamespace(Dataset=object))
    spec = importlib.util.spec_from_file_location(module, os.path.join(directory, module + ".py"))
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return getattr(loaded, attribute)


def task(name):
    path = os.path.join(folder(), name)

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!function", lambda loader, node: function(os.path.dirname(path), loader.construct_scalar(node)))
    with open(path, encoding="utf-8") as f:
        made = yaml.load(f, Loader)
    base = made.pop("include", None)
    return {**(task(os.path.join(os.path.dirname(name), base)) if base else {}), **made}


class One:
    """A data set of one row, for process_docs."""

    def __init__(self, row):
        self.row = row

    def map(self, change):
        return {**self.row, **change(self.row)}


def rendered(template, row):
    """What the harness makes of a member of its task file."""
    if callable(template):
        return template(row)
    if isinstance(template, list):
        return template
    if template in row:
        return row[template]
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return environment.from_string(template).render(**row)


def listed(value):
    return value if isinstance(value, list) else ast.literal_eval(value)


def requests(config, row):
    row = config["process_docs"](One(row)) if "process_docs" in config else row
    text, target = rendered(config["doc_to_text"], row), rendered(config["doc_to_target"], row)
    choices = listed(rendered(config["doc_to_choice"], row))
    if isinstance(text, int):  # one context for each choice, and one continuation for all
        return {"gold": text, "contexts": choices, "continuations": [" " + target] * len(choices)}
    return {"gold": int(target), "contexts": [text] * len(choices), "continuations": [" " + c for c in choices],
            "characters": [len(c) for c in choices]}


def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "..", "data", "task_requests.json")
    golden = [{"task": name, "file": NAMES[name], "rows": rows, "documents": [requests(task(FILES[name]), row) for row in rows]}
              for name, rows in ROWS.items()]
    with open(out, "w", encoding="utf-8", newline="\n") as f:
        json.dump(golden, f, ensure_ascii=False, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
