/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of the test programs. */
#include "tests/model/history.h"

#define MODULE(name, path)                                                                         \
    __asm__(".pushsection .rodata\n"                                                               \
            ".globl mr_test_" #name "\n"                                                           \
            ".globl mr_test_" #name "_end\n"                                                       \
            ".hidden mr_test_" #name "\n"                                                          \
            ".hidden mr_test_" #name "_end\n"                                                      \
            "mr_test_" #name ":\n"                                                                 \
            ".incbin \"" path "\"\n"                                                               \
            "mr_test_" #name "_end:\n"                                                             \
            ".popsection\n");                                                                      \
    extern const uint8_t mr_test_##name[], mr_test_##name##_end[]

MODULE(actor, MR_TEST_PROGRAMS "/actor.wasm");
MODULE(actor_deep, MR_TEST_PROGRAMS "/actor_deep.wasm");
MODULE(actor_no_init, MR_TEST_PROGRAMS "/actor_no_init.wasm");
MODULE(actor_no_handle, MR_TEST_PROGRAMS "/actor_no_handle.wasm");
MODULE(actor_no_reply, MR_TEST_PROGRAMS "/actor_no_reply.wasm");
MODULE(actor_no_signal, MR_TEST_PROGRAMS "/actor_no_signal.wasm");

mr_span mr_history_module_of(mr_history_module module)
{
#define SPAN(name) mr_span_of(mr_test_##name, (size_t)(mr_test_##name##_end - mr_test_##name))
    switch (module) {
    case MR_MODULE_ACTOR_DEEP:
        return SPAN(actor_deep);
    case MR_MODULE_ACTOR_NO_INIT:
        return SPAN(actor_no_init);
    case MR_MODULE_ACTOR_NO_HANDLE:
        return SPAN(actor_no_handle);
    case MR_MODULE_ACTOR_NO_REPLY:
        return SPAN(actor_no_reply);
    case MR_MODULE_ACTOR_NO_SIGNAL:
        return SPAN(actor_no_signal);
    case MR_MODULE_ACTOR:
    case MR_MODULES_COUNT:
        break;
    }
    return SPAN(actor);
#undef SPAN
}
