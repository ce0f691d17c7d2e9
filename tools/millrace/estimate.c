/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/millrace/estimate.h"

mr_estimate_text mr_estimate_print_open(const mr_estimate *estimate)
{
    mr_estimate_text out = {""};
    const mr_count_text blocks = mr_count_print(MR_ESTIMATE_BLOCKS);
    if (estimate->cut)
        (void)snprintf(out.text, sizeof out.text,
                       "; after %s blocks it still waits: the gas holds the rent of all of them, "
                       "and what is woken sooner or later needs less or more",
                       blocks.text);
    else if (estimate->waits)
        (void)snprintf(out.text, sizeof out.text,
                       "; after %s blocks something of it still waits: what that will need is not "
                       "in the gas",
                       blocks.text);
    return out;
}

json_t *mr_estimate_json(const mr_names *names, const mr_estimate *estimate)
{
    /* clang-format off */
    if (!estimate->succeeds)
        return json_pack("{s:b, s:s, s:o, s:o}",
                         "succeeds", 0,
                         "outcome", mr_outcome_name(estimate->outcome),
                         "failed", mr_json_id(names, &estimate->failed),
                         "text", mr_json_text(estimate->text));
    return json_pack("{s:b, s:o, s:o, s:o, s:b, s:b}",
                     "succeeds", 1,
                     "gas_limit", mr_json_u64(estimate->gas_limit),
                     "gas_burned", mr_json_u64(estimate->gas_burned),
                     "blocks", mr_json_u64(estimate->blocks),
                     "waits", (int)estimate->waits,
                     "cut", (int)estimate->cut);
    /* clang-format on */
}
