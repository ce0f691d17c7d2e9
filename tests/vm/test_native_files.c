/* SPDX-License-Identifier: Apache-2.0 */
/* mr-test: timeout=120
 * Goal: compiled programs are a cache: found again, and never trusted when damaged. Method: files
 * spoiled byte by byte, links, pipes, folders and abandoned ones in their place. That compiled code
 * does what the interpreter does is for the other tests to show, each of which runs once more with
 * the tier drawn anew for every call (tests/vm/tier.c). */
#include "tests/vm/native.h"

static void what_was_compiled_is_found_again(void **state)
{
    (void)state;
    /* A compiler that notes that it was called. */
    char text[512];
    (void)snprintf(text, sizeof text, "echo >>%s; exec %s \"$@\"", in_folder("calls"), compiler());
    const mr_native_options native = {.directory = in_folder("again"),
                                      .compiler = write_script("noting-gcc", text)};
    uint8_t calls[16];
    for (unsigned i = 0; i < 3; i++) {
        assert_true(is_compiled(&native, 1));
        assert_int_equal(read_bytes(in_folder("calls"), calls, sizeof calls), 1);
    }
    /* Another code, and the same one compiled in another way, are other files. */
    assert_true(is_compiled(&native, 2));
    assert_int_equal(read_bytes(in_folder("calls"), calls, sizeof calls), 2);
    mr_native_options other = native;
    other.frames = true;
    assert_true(is_compiled(&other, 2));
    assert_int_equal(read_bytes(in_folder("calls"), calls, sizeof calls), 3);
    assert_told_nothing();
}

static void assert_text_is_compiled(const char *text, const char *name)
{
    const mr_native_options native = {.directory = in_folder(name), .compiler = compiler()};
    fixture f = machine(MR_TIER_NATIVE, &native);
    mr_buffer module = {0};
    mr_error error = {0};
    mr_code *code = NULL;
    if (mr_code_from_text(mr_span_text(text), name, &module, &error) != MR_OK ||
        mr_code_new(&fixture_rules, &fixture_prices, mr_buffer_span(&module), &code, &error) !=
            MR_OK)
        fail_msg("%s", error.text);
    mr_memory memory;
    mr_memory_init(&memory, code);
    assert_int_equal(fixture_run(f.worker, &memory, (const step[]){{0}}), MR_VM_DONE);
    assert_non_null(mr_native_find(code));
    mr_memory_fini(&memory, f.pool);
    mr_buffer_fini(&module);
    fixture_free(&f);
    mr_code_put(code);
    assert_told_nothing();
}

static void a_module_that_imports_no_function_is_compiled(void **state)
{
    (void)state;
    assert_text_is_compiled("(module (import \"env\" \"memory\" (memory 1))"
                            "(func (export \"init\")) (func (export \"handle\")))",
                            "alone");
}

/* More than registers hold: compilers push them, and say so of the stack. */
static void functions_of_many_parameters_are_compiled(void **state)
{
    (void)state;
    assert_text_is_compiled(
        "(module (import \"env\" \"memory\" (memory 1))"
        "(type $t (func (param i32 i32 i32 i32 i32 i32 i32) (result i32)))"
        "(table 2 funcref) (elem (i32.const 0) $f $g)"
        "(func $f (type $t) (i32.add (local.get 6) (i32.load (local.get 5))))"
        "(func $g (type $t) (i32.add (local.get 0) (i32.load (local.get 6))))"
        "(func (export \"init\"))"
        "(func (export \"handle\") (i32.store (i32.const 4)"
        "  (call_indirect (type $t) (i32.load (i32.const 0)) (i32.load (i32.const 4))"
        "    (i32.load (i32.const 8)) (i32.load (i32.const 12)) (i32.load (i32.const 16))"
        "    (i32.load (i32.const 20)) (i32.load (i32.const 24)) (i32.load (i32.const 28))))))",
        "many");
}

/* Files are spoiled after the machine that made them has gone, as a disk would. */
static void a_damaged_file_is_made_anew(void **state)
{
    (void)state;
    enum { MOST = 1 << 20 };
    const mr_native_options native = {.directory = in_folder("damage"), .compiler = compiler()};
    uint8_t *good = malloc(MOST), *bad = malloc(MOST);
    char path[512];
    assert_true(is_compiled(&native, 3));
    find_artifact(native.directory, path);
    const size_t size = read_bytes(path, good, MOST);
    for (unsigned i = 0; i < 12; i++) {
        memcpy(bad, good, size);
        /* Of the object, then of what stands behind it. */
        const size_t at = i < 6 ? i * (size / 6) : size - 1 - (i - 6) * 15;
        bad[at] ^= (uint8_t)(1u << (i % 8));
        write_bytes(path, bad, size);
        assert_true(is_compiled(&native, 3));
        assert_told_once("is damaged or not ours");
        assert_int_equal(read_bytes(path, bad, MOST), size);
    }
    static const size_t lengths[] = {0, 1, 79, 80, 4096};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        write_bytes(path, good, lengths[i]);
        assert_true(is_compiled(&native, 3));
        assert_told_once("is damaged or not ours");
    }
    /* A good file under another name. */
    char other[512];
    assert_int_equal(unlink(path), 0);
    assert_true(is_compiled(&native, 4));
    find_artifact(native.directory, other);
    assert_int_equal(rename(other, path), 0);
    assert_true(is_compiled(&native, 3));
    assert_told_once("is damaged or not ours");
    free(good);
    free(bad);
}

/* Whatever stands in a compiled program's place, it takes no time and is made anew. */
static void what_is_no_file_is_made_anew(void **state)
{
    (void)state;
    const mr_native_options native = {.directory = in_folder("odd"), .compiler = compiler()};
    assert_true(is_compiled(&native, 14));
    char path[512];
    find_artifact(native.directory, path);
    for (int what = 0; what < 6; what++) {
        assert_int_equal(unlink(path), 0);
        if (what == 0)
            assert_int_equal(mkfifo(path, 0600), 0);
        else if (what == 1 || what >= 4)
            assert_int_equal(mkdir(path, 0700), 0);
        else if (what == 2)
            assert_int_equal(symlink("/dev/zero", path), 0);
        else if (what == 3)
            write_bytes(path, (const uint8_t *)"x", 1);
        if (what == 3) /* takes no room */
            assert_int_equal(truncate(path, (off_t)1 << 38), 0);
        char inside[600];
        (void)snprintf(inside, sizeof inside, "%s/x", path);
        if (what >= 4) /* the second time, too */
            write_bytes(inside, (const uint8_t *)"x", 1);
        assert_true(is_compiled(&native, 14));
        assert_told_once("is damaged or not ours");
        assert_true(is_compiled(&native, 14));
        assert_told_nothing();
    }
}

static void without_a_directory_programs_are_interpreted(void **state)
{
    (void)state;
    write_bytes(in_folder("file"), (const uint8_t *)"x", 1);
    const mr_native_options native = {.directory = in_folder("file/below"), .compiler = compiler()};
    assert_false(is_compiled(&native, 7));
    assert_told_once("file/below");
}

/* What a process that was killed left, and only that. */
static void abandoned_directories_are_removed(void **state)
{
    (void)state;
    const struct timespec before = {.tv_sec = time(NULL) - 2 * 24 * 60 * 60};
    const struct timespec old[2] = {before, before};
    static const char *const names[] = {"left/build-old", "left/build-new", "left/other-old",
                                        "elsewhere"};
    char path[256];
    assert_int_equal(mkdir(in_folder("left"), 0700), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(mkdir(in_folder(names[i]), 0700), 0);
        (void)snprintf(path, sizeof path, "%s/m.c", in_folder(names[i]));
        write_bytes(path, (const uint8_t *)"x", 1);
        if (i != 1)
            assert_int_equal(utimensat(AT_FDCWD, in_folder(names[i]), old, 0), 0);
    }
    assert_int_equal(symlink(in_folder("elsewhere"), in_folder("left/build-link")), 0);
    assert_int_equal(utimensat(AT_FDCWD, in_folder("left/build-link"), old, AT_SYMLINK_NOFOLLOW),
                     0);
    const mr_native_options native = {.directory = in_folder("left"), .compiler = compiler()};
    fixture f = machine(MR_TIER_NATIVE, &native);
    fixture_free(&f);
    assert_int_not_equal(access(in_folder("left/build-old"), F_OK), 0);
    for (size_t i = 1; i < 4; i++) {
        (void)snprintf(path, sizeof path, "%s/m.c", in_folder(names[i]));
        assert_int_equal(access(path, F_OK), 0);
    }
    assert_told_nothing();
}

/* Only root can try it: a file of somebody else's, whatever is in it, and a directory that others
 * may change. */
static void what_others_may_have_written_is_not_loaded(void **state)
{
    (void)state;
    const mr_native_options native = {.directory = in_folder("others"), .compiler = compiler()};
    char path[512];
    assert_true(is_compiled(&native, 50));
    find_artifact(native.directory, path);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 65534, 65534), 0);
        assert_true(is_compiled(&native, 50));
        assert_told_once("is damaged or not ours; it is made anew");
        struct stat facts;
        assert_int_equal(stat(path, &facts), 0);
        assert_int_equal(facts.st_uid, 0);
    }
    assert_int_equal(chmod(native.directory, 0777), 0);
    assert_false(is_compiled(&native, 50));
    assert_told_once("others may change what is in the directory");
    assert_int_equal(chmod(native.directory, 01777), 0); /* where nobody could take its place */
    assert_false(is_compiled(&native, 50));
    assert_told_once("others may change what is in the directory");
    assert_int_equal(chmod(native.directory, 0700), 0);
    assert_int_equal(chmod(in_folder("."), 0777), 0); /* the one above it */
    assert_false(is_compiled(&native, 50));
    assert_told_once("others may change what is in the directory");
    assert_int_equal(chmod(in_folder("."), 0700), 0);
    assert_true(is_compiled(&native, 50));
    assert_told_nothing();
    assert_int_equal(chmod(path, 0766), 0);
    assert_true(is_compiled(&native, 50));
    assert_told_once("is damaged or not ours; it is made anew");
}

/* A directory that root fills for all. */
static void what_cannot_be_written_to_is_read(void **state)
{
    (void)state;
    const mr_native_options native = {.directory = in_folder("shared"), .compiler = compiler()};
    assert_true(is_compiled(&native, 51));
    assert_int_equal(chmod(in_folder("."), 0711), 0);
    assert_int_equal(chmod(native.directory, geteuid() == 0 ? 0755 : 0555), 0);
    const uid_t user = geteuid();
    if (user == 0)
        assert_int_equal(seteuid(65534), 0);
    const bool old = is_compiled(&native, 51), new = is_compiled(&native, 52);
    assert_int_equal(seteuid(user), 0);
    assert_true(old);
    assert_false(new);
    assert_told_once("to which nothing can be written");
    assert_int_equal(chmod(native.directory, 0755), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_compiled_is_found_again),
        cmocka_unit_test(a_module_that_imports_no_function_is_compiled),
        cmocka_unit_test(functions_of_many_parameters_are_compiled),
        cmocka_unit_test(a_damaged_file_is_made_anew),
        cmocka_unit_test(what_is_no_file_is_made_anew),
        cmocka_unit_test(what_others_may_have_written_is_not_loaded),
        cmocka_unit_test(what_cannot_be_written_to_is_read),
        cmocka_unit_test(without_a_directory_programs_are_interpreted),
        cmocka_unit_test(abandoned_directories_are_removed),
    };
    return cmocka_run_group_tests(tests, native_set_up, native_tear_down);
}
