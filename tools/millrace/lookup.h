/* SPDX-License-Identifier: Apache-2.0 */
/* lookup: ids as they are typed on a command line, "0x" and 64 digits or the digits alone; or the
 * beginning of one, at least four digits, when the database knows only one that begins so.
 *
 * Errors of all: MR_INVALID it is no id and no beginning of one; MR_NOT_FOUND none begins so, or
 * several do, which the text lists; those of the walks. A whole id is taken as it is. */
#ifndef MR_TOOLS_LOOKUP_H
#define MR_TOOLS_LOOKUP_H

#include "engine/millrace.h"

mr_status mr_lookup_program(mr_engine *engine, const char *text, mr_id *out, mr_error *error);

/* mr_lookup_account takes a word that does not begin with "0x" for a name, unless it is an id. The
 * accounts that the database knows are those with a balance or a letter. */
mr_status mr_lookup_account(mr_engine *engine, const char *text, mr_id *out, mr_error *error);

/* mr_lookup_message looks for a beginning in all blocks, and in what is still to come. */
mr_status mr_lookup_message(mr_engine *engine, const char *text, mr_id *out, mr_error *error);

#endif
