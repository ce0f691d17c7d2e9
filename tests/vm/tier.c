/* SPDX-License-Identifier: Apache-2.0 */
/* tier: has a test's programs run in another way than the test asks for. Linked into tests with
 * --wrap=mr_vm_new, so that no test need know:
 *
 *   MR_TEST_TIER        interp: as the test asks
 *                       native: compiled
 *                       mixed: for every run it is drawn who has it: the interpreter, or what tcc
 *                       or the other compiler made, both of which are waited for
 *                       auto: the same of what there is, and compiled in the background
 *   MR_TEST_COMPILER    that compiler; gcc
 *   MR_TEST_NATIVE_DIR  where compiled programs are kept; else those of auto are compiled anew: by
 *                       this process and those it forks
 *
 * Whoever has not said what its codes cost is left alone: the serial reference is interpreted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vm/vm.h"

mr_status __real_mr_vm_new(const mr_vm_options *options, mr_vm **out, mr_error *error);
mr_status __wrap_mr_vm_new(const mr_vm_options *options, mr_vm **out, mr_error *error);

static char fresh[] = "/tmp/millrace-tier-XXXXXX";

static void remove_fresh(void)
{
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf %s", fresh);
    if (system(command) != 0)
        (void)fprintf(stderr, "%s is left over\n", fresh);
}

static bool is_tier(const char *name)
{
    const char *tier = getenv("MR_TEST_TIER");
    return tier != NULL && strcmp(tier, name) == 0;
}

/* Before the test begins, so that children of its process find what those before them left. */
__attribute__((constructor)) static void make_fresh(void)
{
    if (is_tier("auto") && getenv("MR_TEST_NATIVE_DIR") == NULL && mkdtemp(fresh) != NULL)
        (void)atexit(remove_fresh);
}

mr_status __wrap_mr_vm_new(const mr_vm_options *options, mr_vm **out, mr_error *error)
{
    const bool is_auto = is_tier("auto"), is_mixed = is_tier("mixed");
    if (!(is_auto || is_mixed || is_tier("native")) || options->prices == NULL)
        return __real_mr_vm_new(options, out, error);
    mr_native_options native = {0};
    if (options->native != NULL)
        native = *options->native;
    const char *kept = getenv("MR_TEST_NATIVE_DIR");
    native.directory = kept != NULL || !is_auto ? kept : fresh;
    native.compiler = getenv("MR_TEST_COMPILER");
    mr_vm_options other = *options;
    other.native = &native;
    other.tier = is_auto ? MR_TIER_AUTO : MR_TIER_NATIVE;
    if (is_auto || is_mixed)
        other.switch_seed = 0x9e3779b97f4a7c15u;
    return __real_mr_vm_new(&other, out, error);
}
