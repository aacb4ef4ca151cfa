#include "text/chat_format.h"

#define IM(role) "<|im_start|>" role "\n"
#define IM_TURNS                                                                                                       \
    .before = {IM("system"), IM("user"), IM("assistant"), IM("tool")},                                                 \
    .after = {"<|im_end|>\n", "<|im_end|>\n", "\n", "<|im_end|>\n"}, .stop = "<|im_end|>"
#define HEADER(role) "<|start_header_id|>" role "<|end_header_id|>\n\n"

static const pare_chat_format formats[] = {
    {.name = "qwen-3",
     .markers = {"<|im_start|>", "<think>", "last_query_index", "loop.last or (not loop.last and reasoning_content)"},
     IM_TURNS,
     .thinks = true,
     .answers_tools = true},
    {.name = "chatml", .markers = {"<|im_start|>", "<|im_end|>"}, .absent = "<think>", IM_TURNS},
    {.name = "llama-3",
     .markers = {"<|start_header_id|>", "<|eot_id|>"},
     .absent = "<think>",
     .begin = "{bos}",
     .before = {HEADER("system"), HEADER("user"), HEADER("assistant"), NULL},
     .after = {"<|eot_id|>", "<|eot_id|>", "", ""},
     .stop = "<|eot_id|>",
     .trim = PARE_TRIM_TEXT},
    {.name = "llama-2",
     .markers = {"[INST]", "<<SYS>>"},
     .before = {"", "{bos}[INST] ", "", NULL},
     .after = {"", " [/INST]", "", ""},
     .lead = " ",
     .stop = " {eos}",
     .system = PARE_SYSTEM_FIRST_USER,
     .system_lead = "<<SYS>>\n",
     .system_end = "\n<</SYS>>\n\n",
     .trim = PARE_TRIM_WHOLE,
     .alternates = true},
    {.name = "mistral",
     .markers = {"[INST]", "[/INST]"},
     .begin = "{bos}",
     .before = {"[SYSTEM_PROMPT]", "[INST] ", "", NULL},
     .after = {"[/SYSTEM_PROMPT]", "[/INST]", "", ""},
     .lead = " ",
     .stop = "{eos}",
     .system = PARE_SYSTEM_LAST_USER,
     .system_lead = "",
     .system_end = "\n\n",
     .trim = PARE_TRIM_ANSWERS,
     .alternates = true},
    {.name = "gemma",
     .markers = {"<start_of_turn>", "<end_of_turn>"},
     .begin = "{bos}",
     .before = {"", "<start_of_turn>user\n", "<start_of_turn>model\n", NULL},
     .after = {"", "<end_of_turn>\n", "\n", ""},
     .stop = "<end_of_turn>",
     .system = PARE_SYSTEM_FIRST_USER,
     .system_lead = "",
     .system_end = "\n\n",
     .trim = PARE_TRIM_TEXT,
     .alternates = true},
    {.name = "phi-3",
     .markers = {"<|end|>", "<|assistant|>\n"},
     .before = {"<|system|>\n", "<|user|>\n", "<|assistant|>\n", NULL},
     .after = {"<|end|>\n", "<|end|>\n", "\n", ""},
     .stop = "<|end|>",
     .end = "{eos}"},
    {.name = "zephyr",
     .markers = {"<|user|>\n' + message['content'] + eos_token", "<|assistant|>"},
     .before = {"<|system|>\n", "<|user|>\n", "<|assistant|>\n", NULL},
     .after = {"{eos}\n", "{eos}\n", "\n", ""},
     .stop = "{eos}"},
};

const pare_chat_format *pare_chat_format_at(size_t index) {
    return index < sizeof formats / sizeof *formats ? formats + index : NULL;
}
