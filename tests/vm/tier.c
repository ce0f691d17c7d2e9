/* SPDX-License-Identifier: Apache-2.0 */
/* tier: has a test's programs run in another way than the test asks for. Linked into tests with
 * --wrap=mr_vm_new, so that no test need know:
 *
 *   MR_TEST_TIER       interp (as the test asks), native, auto, or mixed: compiled, but for every
 * run it is drawn whether the interpreter has it MR_TEST_COMPILER   the compiler;
 * MR_TEST_NATIVE_DIR is where compiled programs are kept
 *
 * Whoever has not said what its codes cost is left alone: the serial reference is interpreted. */
#include <stdlib.h>
#include <string.h>

#include "vm/vm.h"

mr_status __real_mr_vm_new(const mr_vm_options *options, mr_vm **out, mr_error *error);
mr_status __wrap_mr_vm_new(const mr_vm_options *options, mr_vm **out, mr_error *error);

mr_status __wrap_mr_vm_new(const mr_vm_options *options, mr_vm **out, mr_error *error)
{
    const char *tier = getenv("MR_TEST_TIER");
    if (tier == NULL || strcmp(tier, "interp") == 0 || options->prices == NULL)
        return __real_mr_vm_new(options, out, error);
    mr_native_options native = {0};
    if (options->native != NULL)
        native = *options->native;
    native.directory = getenv("MR_TEST_NATIVE_DIR");
    native.compiler = getenv("MR_TEST_COMPILER");
    mr_vm_options other = *options;
    other.native = &native;
    other.tier = strcmp(tier, "auto") == 0 ? MR_TIER_AUTO : MR_TIER_NATIVE;
    if (strcmp(tier, "mixed") == 0)
        other.switch_seed = 0x9e3779b97f4a7c15u;
    return __real_mr_vm_new(&other, out, error);
}
