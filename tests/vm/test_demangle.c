/* SPDX-License-Identifier: Apache-2.0 */
/* Goal: names of Rust functions read as their authors wrote them, and no name does harm.
 * Method: a table, made with rustc and compared with binutils' c++filt (which adds hashes of crates
 * and types of constants); random changes of it. MR_SEED replays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "vm/demangle.h"

typedef struct pair {
    const char *name, *text;
} pair;

static const pair rust_names[] = {
    /* Before RFC 2603. */
    {"_ZN4core3fmt5write17h0123456789abcdefE", "core::fmt::write"},
    {"_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar17h930b740aa9"
     "4f1d3aE",
     "<Test + 'static as foo::Bar<Test>>::bar"},
    {"_ZN3foo17h05af221e174051e9E.llvm.9D1C9369", "foo"},
    {"_ZN5$RF$T3fmt17h0123456789abcdefE", "&T::fmt"},
    {"_ZN8$BP$x$C$4fun$17h0123456789abcdefE", "*x,::fun$"},
    {"_ZN8a.b$uzz$17h0123456789abcdefE", "a.b$uzz$"},
    /* The same, as a linker that knows C++ writes them. */
    {"core::fmt::write::h0123456789abcdef", "core::fmt::write"},
    {"_$LT$T$u20$as$u20$foo..Bar$GT$::go::h0123456789abcdef", "<T as foo::Bar>::go"},
    /* RFC 2603. */
    {"_RNvCs1234_7mycrate3foo", "mycrate::foo"},
    {"_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar"},
    {"_RNvMCs15kBYyAo9fc_7mycrateNtB2_3Foo3new", "<mycrate::Foo>::new"},
    {"_RNvXCs15kBYyAo9fc_7mycrateNtB2_3FooNtB2_3Bar2go", "<mycrate::Foo as mycrate::Bar>::go"},
    {"_RNCNvCs1234_7mycrate4main0B3_", "mycrate::main::{closure#0}"},
    {"_RNCNvCs1234_7mycrate4mains_0B3_", "mycrate::main::{closure#1}"},
    {"_RNSNvCs1234_7mycrate4main6vtable", "mycrate::main::{shim:vtable#0}"},
    {"_RINvC1c1fhE", "c::f::<u8>"},
    {"_RINvC1c1fRaQlPxOyE", "c::f::<&i8, &mut i32, *const i64, *mut u64>"},
    {"_RINvC1c1fAhj11_SbTmEThjETEE", "c::f::<[u8; 17], [bool], (u32,), (u8, usize), ()>"},
    {"_RINvC1c1fKj11_Kan5_Kb1_Kc27_KpKj0_E", "c::f::<17, -5, true, '\\'', _, 0>"},
    {"_RINvC1c1fKo123456789abcdef01_E", "c::f::<0x123456789abcdef01>"},
    {"_RINvC1c1fFhEzFUKCuEuFK9fast_callEbE",
     "c::f::<fn(u8) -> !, unsafe extern \"C\" fn(()), extern \"fast-call\" fn() -> bool>"},
    {"_RINvC1c1fFG0_RL1_hRL0_tEuE", "c::f::<for<'a, 'b> fn(&'a u8, &'b u16)>"},
    {"_RINvC1c1fDNtC1c4SendEL_DINtC1c2FnhEp6OutputtNtC1c4SyncEL_E",
     "c::f::<dyn c::Send, dyn c::Fn<u8, Output = u16> + c::Sync>"},
    {"_RINvC1c1fDNtC1c8Iteratorp4ItemhEL_E", "c::f::<dyn c::Iterator<Item = u8>>"},
    {"_RINvC1c1fL_INtC1c1SL_hEE", "c::f::<'_, c::S<'_, u8>>"},
    {"_RINvC1c1fINtC1c1SINtBa_1ShEEE", "c::f::<c::S<c::S<u8>>>"},
    {"_RNvC6gdel_1u8gdel_5qa", "gdel_1::punycode{gdel_5qa}"},
    {"_RNvC1c1f.llvm.123", "c::f"},
};

/* What is no name of Rust's, or is broken, stays as it is. */
static const char *const other_names[] = {
    "",
    "_",
    "handle",
    "_Z3fooiv",
    "_ZN3foo3barEv",
    "_ZN3foo3barE",
    "_ZN17h0123456789abcdefE",
    "_ZN3foo17h0123456789abcdef",
    "_ZN9foo17h0123456789abcdefE",
    "_ZN99999999999999999999foo17h0123456789abcdefE",
    "h0123456789abcdef",
    "foo::h0123456789abcde",
    "_R",
    "_RN",
    "_RNvC1c9f",
    "_RNvC1c1fx",
    "_RNvB_1f",
    "_RNvB0_1f",
    "_RINvC1c1fh",
    "_RINvC1c1fKj_E",
    "_RINvC1c1fRL0_hE",
    "_RNvC1c99999999999999999999999f",
    "_RNvCszzzzzzzzzzzzzzzzzzzzz_1c1f",
    "_R0NvC1c1f",
};

static const char *text_of(const char *name)
{
    static char out[512];
    memset(out, 'x', sizeof out);
    (void)mr_demangle(name, out, sizeof out);
    return out;
}

static void rust_names_read_as_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rust_names / sizeof *rust_names; i++) {
        char out[8];
        assert_string_equal(text_of(rust_names[i].name), rust_names[i].text);
        assert_true(mr_demangle(rust_names[i].name, out, sizeof out));
    }
}

static void other_names_are_copied(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof other_names / sizeof *other_names; i++) {
        char out[64];
        assert_string_equal(text_of(other_names[i]), other_names[i]);
        assert_false(mr_demangle(other_names[i], out, sizeof out));
    }
}

static void what_does_not_fit_is_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rust_names / sizeof *rust_names; i++) {
        for (size_t size = 1; size < 40; size++) {
            char out[40];
            memset(out, 'x', sizeof out);
            (void)mr_demangle(rust_names[i].name, out, size);
            size_t length = strnlen(out, size);
            assert_true(length < size);
            assert_memory_equal(out, rust_names[i].text, length);
            assert_true(length == size - 1 || length == strlen(rust_names[i].text));
            for (size_t k = size; k < sizeof out; k++)
                assert_int_equal(out[k], 'x');
        }
    }
}

/* Each pair of types names the one before twice: 2^50 of the first. */
static void names_that_unfold_without_end_are_ended(void **state)
{
    (void)state;
    static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    char name[2000] = "_RINvC1c1fThhE";
    size_t at = strlen(name), before = 8;
    for (int i = 0; i < 50; i++) {
        size_t offset = at - 2;
        char back[8];
        if (before <= 62)
            snprintf(back, sizeof back, "B%c_", digits[before - 1]);
        else
            snprintf(back, sizeof back, "B%c%c_", digits[(before - 1) / 62],
                     digits[(before - 1) % 62]);
        at += (size_t)snprintf(name + at, sizeof name - at, "T%s%sE", back, back);
        before = offset;
    }
    strcpy(name + at, "E");
    const char *text = text_of(name);
    assert_int_equal(strlen(text), 511);
    assert_memory_equal(text, "c::f::<(u8, u8), ((u8, u8), (u8, u8)), (((u8, u8), (u8, u8)), ", 60);
    char deep[4000] = "_RINvC1c1f";
    memset(deep + strlen(deep), 'R', 3000);
    strcat(deep, "hE");
    assert_string_not_equal(text_of(deep), "");
    char *huge = malloc(100001);
    memset(huge, '1', 100000);
    huge[100000] = '\0';
    memcpy(huge, "_ZN", 3);
    assert_int_equal(strlen(text_of(huge)), 511);
    free(huge);
}

static void changed_names_do_no_harm(void **state)
{
    (void)state;
    static const char letters[] = "BCNIMXYRTEKLGDFApsu_0123456789abcdefhUv$.:";
    const char *text = getenv("MR_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 0) : 7;
    print_message("MR_SEED=%llu\n", (unsigned long long)seed);
    uint64_t random = seed * 2 + 1;
    for (int i = 0; i < 200000; i++) {
        char name[256], out[300];
        strcpy(name, rust_names[i % (int)(sizeof rust_names / sizeof *rust_names)].name);
        for (int k = 0; k < 3; k++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            size_t at = (random >> 33) % strlen(name);
            name[at] = letters[(random >> 50) % (sizeof letters - 1)];
        }
        (void)mr_demangle(name, out, 1 + random % sizeof out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rust_names_read_as_written),
        cmocka_unit_test(other_names_are_copied),
        cmocka_unit_test(what_does_not_fit_is_cut),
        cmocka_unit_test(names_that_unfold_without_end_are_ended),
        cmocka_unit_test(changed_names_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
