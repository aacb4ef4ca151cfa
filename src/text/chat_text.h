/* Chats and instructions as texts to calibrate on: the same words that training on them would see. */
#ifndef PARE_TEXT_CHAT_TEXT_H
#define PARE_TEXT_CHAT_TEXT_H

#include "text/chat_style.h"
#include "text/json_rows.h"

/* Whether a row has a chat's or an instruction's keys. */
bool pare_chat_text_fits(const pare_json_row *row);

/* Appends the row's text. *whole: it begins as the model's format has it, with its BOS, if it has one. */
pare_status pare_chat_text_of_row(const pare_chat_style *style, const pare_json_row *row, pare_buffer *out,
                                  bool *whole);

#endif
