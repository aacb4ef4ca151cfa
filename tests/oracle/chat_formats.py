"""Renders chats with transformers' apply_chat_template, for tests/text/test_chat_formats.c.

    python tests/oracle/chat_formats.py [OUT]

The templates are those that models of each family are published with; of the long ones, without the branches for lists of tools and for calls of tools,
which rows of pare have none of. A chat is rendered up to its last answer. "spans" are what is learnt, in bytes: from behind what stands in front of an answer
(`head`) to the end of what stops it (`stop`). Where the template raises, or leaves out a turn or what
stands in front of an answer, the row is to be refused: "text" is null.
Templates that put what the system says into the last turn, if it is a user's, are asked for the prompt of the last answer, with that answer behind it: of the
whole chat they lose the system.
"""
import json
import os
import re
import sys

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

S, U, A, T = "system", "user", "assistant", "tool"
CHATS = [
    [(U, "Hi"), (A, "Hello")],
    [(S, "Be kind."), (U, "Hi"), (A, "Hello")],
    [(S, " Be kind.\n"), (U, "What?"), (A, "This."), (U, "And?"), (A, "That.")],
    [(U, "What?"), (A, "This."), (U, "And?"), (A, "That."), (U, "Then?"), (A, "Nothing.")],
    [(U, "  spaced \n"), (A, "\n  so too \n"), (U, "\tand again"), (A, "\n\nended ")],
    [(S, "Be kind."), (U, " \n spaced behind a system "), (A, " yes ")],
    [(U, "two\n\nparagraphs"), (A, "caf\u00e9 \u4f60\u597d\n\n* one\n* two")],
    [(U, "What?"), (A, "This."), (U, "Still there?")],
    [(U, ["in ", "parts"]), (A, ["of", " text"])],
    [(S, "Look things up."), (U, "Weather?"), (A, "I ask."), (T, "sunny"), (A, "It is sunny.")],
    [(U, "Weather?"), (A, "I ask."), (T, "sunny"), (T, "warm"), (A, "Fine."), (U, "Thanks"), (A, "Bye")],
    [(U, "one"), (U, "two"), (A, "three")],
    [(A, "I begin."), (U, "Go on"), (A, "On.")],
    [(U, "Hi"), (S, "Be brief."), (A, "Yo")],
    [(S, ""), (U, "Hi"), (A, "Hello")],
    [(U, "Sum?"), (A, "<think>\none and one\n</think>\n\nTwo."), (U, "Sure?"), (A, "<think>\nyes\n</think>\n\nYes.")],
]

ALTERNATE = "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}"
ROLES = "{{ raise_exception('Only user and assistant roles are supported!') }}"
CHATML = "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}"
IM_GENERATION = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

QWEN_TOOL = """    {%- elif ROLE == "tool" %}
        {%- if (loop.index0 == 0) or (BEFORE != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' }}
        {{- message.content }}
        {{- '\\n</tool_response>' }}
        {%- if loop.last or (AFTER != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
"""
QWEN_TOOL = QWEN_TOOL.replace("ROLE", "message.role").replace("BEFORE", "messages[loop.index0 - 1].role").replace("AFTER", "messages[loop.index0 + 1].role")
QWEN_END = """    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
QWEN25 = """{%- if messages[0]['role'] == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
{%- else %}
    {{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
""" + QWEN_TOOL + QWEN_END
QWEN3 = """{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning_content = '' %}
        {%- if message.reasoning_content is string %}
            {%- set reasoning_content = message.reasoning_content %}
        {%- else %}
            {%- if '</think>' in content %}
                {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
                {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
            {%- endif %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index %}
            {%- if loop.last or (not loop.last and reasoning_content) %}
                {{- '<|im_start|>' + message.role + '\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
            {%- else %}
                {{- '<|im_start|>' + message.role + '\\n' + content }}
            {%- endif %}
        {%- else %}
            {{- '<|im_start|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
""" + QWEN_TOOL + QWEN_END
LLAMA2 = ("{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}"
          "{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
          "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}" + ALTERNATE + "{% endif %}"
          "{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
          "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
          "{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}")
LLAMA3 = ("{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + "
          "'<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
          "{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}")
LLAMA32 = """{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "26 Jul 2024" %}
    {%- endif %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Cutting Knowledge Date: December 2023\\n" }}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
MISTRAL1 = ("{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}" + ALTERNATE + "{% endif %}"
            "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}ANSWER"
            "{% else %}" + ROLES + "{% endif %}{% endfor %}")
MISTRAL_FRONT = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
"""
# Instruct v0.1 and v0.2 since the end of 2024.
MISTRAL2 = MISTRAL_FRONT + """{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('After the optional system message, conversation roles must alternate user/assistant/user/assistant/...') }}
    {%- endif %}
    {%- if message["role"] == "user" %}
        {%- if loop.first and system_message is defined %}
            {{- " [INST] " + system_message + "\\n\\n" + message["content"] + " [/INST]" }}
        {%- else %}
            {{- " [INST] " + message["content"] + " [/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"] + eos_token}}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}
    {%- endif %}
{%- endfor %}
"""
# Instruct v0.3 (spaced) and Nemo (not), whose answers are trimmed in the former.
MISTRAL3 = MISTRAL_FRONT + """{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, conversation roles must alternate user/assistant/user/assistant/...") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported, with the exception of an initial optional system message!") }}
    {%- endif %}
{%- endfor %}
"""
NEMO = MISTRAL3.replace('"[INST] "', '"[INST]"').replace('" " + message["content"]|trim', 'message["content"]')
GEMMA2 = ("{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}"
          "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}" + ALTERNATE + "{% endif %}{% if (message['role'] == 'assistant') %}"
          "{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + "
          "'<end_of_turn>\\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\\n'}}{% endif %}")
GEMMA3 = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\\n\\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\\n\\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- endif -%}
    {{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model\\n'}}
{%- endif -%}
"""
PHI3 = ("{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\\n' + message['content'] + '<|end|>\\n'}}"
        "{% elif message['role'] == 'user' %}{{'<|user|>\\n' + message['content'] + '<|end|>\\n'}}{% elif message['role'] == 'assistant' %}"
        "{{'<|assistant|>\\n' + message['content'] + '<|end|>\\n'}}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}")
PHI3_SMALL = ("{{ bos_token }}{% for message in messages %}{{'<|' + message['role'] + '|>' + '\\n' + message['content'] + '<|end|>\\n' }}{% endfor %}"
              "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}")
PHI3_FIRST = ("{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') %}{{'<|user|>' + '\\n' + message['content'] + '<|end|>' + '\\n' + "
              "'<|assistant|>' + '\\n'}}{% elif (message['role'] == 'assistant') %}{{message['content'] + '<|end|>' + '\\n'}}{% endif %}{% endfor %}")
ZEPHYR = ("{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\\n' + message['content'] + eos_token }}\n"
          "{% elif message['role'] == 'system' %}\n{{ '<|system|>\\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n"
          "{{ '<|assistant|>\\n'  + message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n"
          "{% endif %}\n{% endfor %}")

IM = ("<|im_start|>assistant\n", "<|im_end|>")
INST = ("[/INST]", "</s>")
PHI = ("<|assistant|>\n", "<|end|>")
HEADER = ("<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>")
TURN = ("<start_of_turn>model\n", "<end_of_turn>")
# name, format, bos, eos, what stands in front of an answer, what stops it, whether turns of tools are rendered, template
MODELS = [
    ("chatml", "chatml", "", "<|im_end|>", *IM, True, "{% for message in messages %}" + CHATML + "{% endfor %}" + IM_GENERATION),
    ("smollm2-instruct", "chatml", "<|im_start|>", "<|im_end|>", *IM, True,
     "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are a helpful AI assistant named SmolLM, "
     "trained by Hugging Face<|im_end|>\\n' }}{% endif %}" + CHATML + "{% endfor %}" + IM_GENERATION),
    ("qwen-2.5", "chatml", "", "<|im_end|>", *IM, True, QWEN25),
    ("qwen-3", "qwen-3", "", "<|im_end|>", *IM, True, QWEN3),
    ("llama-2", "llama-2", "<s>", "</s>", *INST, False, LLAMA2),
    ("llama-3", "llama-3", "<|begin_of_text|>", "<|eot_id|>", *HEADER, False, LLAMA3),
    ("llama-3.2", "llama-3", "<|begin_of_text|>", "<|eot_id|>", *HEADER, False, LLAMA32),
    ("mistral-0.1", "mistral", "<s>", "</s>", *INST, False, MISTRAL1.replace("ANSWER", "{{ message['content'] + eos_token + ' ' }}")),
    ("mixtral-0.1", "mistral", "<s>", "</s>", *INST, False, MISTRAL1.replace("ANSWER", "{{ message['content'] + eos_token}}")),
    ("mistral-0.2", "mistral", "<s>", "</s>", *INST, False, MISTRAL2),
    ("mistral-0.3", "mistral", "<s>", "</s>", *INST, False, MISTRAL3),
    ("mistral-nemo", "mistral", "<s>", "</s>", *INST, False, NEMO),
    ("gemma-2", "gemma", "<bos>", "<eos>", *TURN, False, GEMMA2),
    ("gemma-3", "gemma", "<bos>", "<eos>", *TURN, False, GEMMA3),
    ("phi-3-mini", "phi-3", "<s>", "<|endoftext|>", *PHI, False, PHI3),
    ("phi-3-small", "phi-3", "<|endoftext|>", "<|endoftext|>", *PHI, False, PHI3_SMALL),
    ("phi-3-first", "phi-3", "<s>", "<|endoftext|>", *PHI, False, PHI3_FIRST),
    ("phi-3.5", "phi-3", "<s>", "<|endoftext|>", *PHI, False, PHI3.replace("== 'system' %}", "== 'system' and message['content'] %}")),
    ("zephyr", "zephyr", "<s>", "</s>", "<|assistant|>\n", "</s>", False, ZEPHYR),
    ("tinyllama-chat", "zephyr", "<s>", "</s>", "<|assistant|>\n", "</s>", False, ZEPHYR),
]


def spans_of(text, chat, head, stop):
    """In bytes; contents are found by what they say, behind their head."""
    spans, at = [], 0
    for role, content in chat:
        said = re.split("</think>", content)[-1].strip()
        place = text.index(said, at)
        if role == A:
            start, end = text.rindex(head, 0, place) + len(head), text.index(stop, place + len(said)) + len(stop)
            spans.append([len(text[:start].encode()), len(text[:end].encode())])
            at = end
        elif role == U:
            at = place + len(said)
    return spans


def render(model, chat):
    name, _, bos, eos, head, stop, tools, template = model
    last = max(i for i, turn in enumerate(chat) if turn[0] == A)
    chat = [(role, content if isinstance(content, str) else "".join(content)) for role, content in chat[: last + 1]]
    if not tools and any(role == T for role, _ in chat):
        return {"text": None}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), bos_token=bos or None, eos_token=eos)
    tokenizer.chat_template = template
    try:
        text = tokenizer.apply_chat_template([{"role": r, "content": c} for r, c in chat], tokenize=False, date_string="26 Jul 2024")
    except Exception as error:
        assert "role" in str(error).lower(), (name, error)
        return {"text": None}
    if "loop.last and system_message" in template and chat[0][0] == S:
        apply = lambda turns: tokenizer.apply_chat_template([{"role": r, "content": c} for r, c in turns], tokenize=False)
        text = apply(chat[:-1]) + apply([(U, "x"), chat[-1]]).split(head)[-1]
    if (S, "") in chat and render(model, [(S, "Be kind.") if turn == (S, "") else turn for turn in chat])["text"] is None:
        return {"text": None}
    if any(role == S and content.strip() and content.strip() not in text for role, content in chat):
        return {"text": None}
    if text.count(head) != sum(role == A for role, _ in chat):
        return {"text": None}
    return {"text": text, "spans": spans_of(text, chat, head, stop)}


def row(chat):
    parts = lambda content: content if isinstance(content, str) else [{"type": "text", "text": part} for part in content]
    return {"messages": [{"role": role, "content": parts(content)} for role, content in chat]}


keys = ("name", "format", "bos", "eos")
found = [{**dict(zip(keys, model)), "template": model[-1], "chats": [render(model, chat) for chat in CHATS]} for model in MODELS]
out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data", "chat_formats.json")
with open(out, "w", encoding="utf-8", newline="\n") as file:
    json.dump({"chats": [row(chat) for chat in CHATS], "models": found}, file, indent=1, ensure_ascii=False)
    file.write("\n")
