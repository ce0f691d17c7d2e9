/* SPDX-License-Identifier: Apache-2.0 */
/* native_runtime: what goes in front of the C that WABT writes for a module, in place of WABT's own
 * beginning of it. It is compiled with the module by the machine's C compiler, perhaps tcc; it
 * includes nothing, so that it needs no headers there and is read at once. vm/native.c includes it
 * too, for what both sides must agree on.
 *
 * Where memory is and how large it is stands in the instance. Every function has both in locals,
 * read when it begins and again after each call, and compares at every access: no address space is
 * reserved, and a module passes from one program's memory to another's by writing two words. */
#ifndef MR_VM_NATIVE_RUNTIME_H
#define MR_VM_NATIVE_RUNTIME_H

/* Goes up with whatever makes modules compiled before unfit. */
enum { MR_NATIVE_VERSION = 3 };

enum { MR_NATIVE_ENTRIES_MAX = 16, MR_NATIVE_ARGS_MAX = 8 };

/* Why a call does not return. */
enum {
    MR_NATIVE_BREAK_GAS,
    MR_NATIVE_BREAK_STACK,
    MR_NATIVE_UNREACHABLE,
    MR_NATIVE_OOB,
    MR_NATIVE_DIV_BY_ZERO,
    MR_NATIVE_INT_OVERFLOW,
    MR_NATIVE_NO_ELEMENT,
    MR_NATIVE_EMPTY_ELEMENT,
    MR_NATIVE_ELEMENT_TYPE,
};

typedef struct mr_native_host mr_native_host;

/* What the engine offers a module. */
struct mr_native_host {
    /* Runs the host function that the module imports as number `import`; its result is in args[0].
     * May not return. */
    void (*call)(mr_native_host *host, unsigned import, unsigned long long *args);
    void (*trap)(mr_native_host *host, int why); /* does not return */
    unsigned *functions; /* active ones, outermost first, kept when compiled to do so */
    unsigned depth;
};

/* What a module offers the engine: the symbol mr_native_module. */
typedef struct mr_native_module {
    unsigned version;
    unsigned state_bytes;    /* of an instance: its globals, and what does not change */
    unsigned instance_bytes; /* and its table */
    /* Fills an instance of zeros. */
    void (*instantiate)(void *instance, mr_native_host *host);
    long long *(*gas)(void *instance);
    void (*bind)(void *instance, unsigned char *bytes, unsigned pages, unsigned char *marks,
                 unsigned marks_bytes);
    void (*entries[MR_NATIVE_ENTRIES_MAX])(void *instance);
} mr_native_module;

#ifdef MR_NATIVE_MODULE

typedef unsigned char u8;
typedef signed char s8;
typedef unsigned short u16;
typedef short s16;
typedef unsigned u32;
typedef int s32;
typedef unsigned long long u64;
typedef long long s64;
typedef u32 uint32_t;
typedef u64 uint64_t;
typedef unsigned long size_t;
typedef _Bool bool;
#define WASM_RT_CORE_TYPES_DEFINED
#define false 0
#define true 1
#define NULL      ((void *)0)
#define INT32_MIN (-2147483647 - 1)
#define INT64_MIN (-9223372036854775807ll - 1)
#define assert(x) ((void)0)

#ifdef __TINYC__
#define LIKELY(x)   (x)
#define UNLIKELY(x) (x)
#define MR_ANY
#define MR_SHOWN
#define MR_OWN /* symbols are where its frames are looked for: vm/native_stack.c */
#else
#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define MR_ANY      __attribute__((aligned(1), may_alias))
#define MR_SHOWN    __attribute__((visibility("default")))
#define MR_OWN      static
#endif

/* At any address, and aliasing whatever was stored there before. */
typedef u16 MR_ANY mr_any_u16;
typedef u32 MR_ANY mr_any_u32;
typedef u64 MR_ANY mr_any_u64;
typedef s16 MR_ANY mr_any_s16;
typedef s32 MR_ANY mr_any_s32;

#define Z_env_instance_t mr_native_host
#define Z_mr_instance_t  mr_native_host

typedef struct wasm_rt_memory_t {
    u8 *data;
    u64 size;
    u32 pages;
} wasm_rt_memory_t;

typedef void (*wasm_rt_function_ptr_t)(void);

typedef struct wasm_rt_funcref_t {
    u32 func_type;
    wasm_rt_function_ptr_t func;
    void *module_instance;
} wasm_rt_funcref_t;

typedef struct wasm_rt_funcref_table_t {
    wasm_rt_funcref_t *data;
    u32 size;
} wasm_rt_funcref_table_t;

typedef struct wasm_elem_segment_expr_t {
    u32 func_type_index;
    wasm_rt_function_ptr_t func;
    size_t module_offset;
} wasm_elem_segment_expr_t;

/* Where a function of a table has its first argument from: 0, the instance itself; else, for an
 * imported one, 1 more than where the instance has it. WABT asks for nothing else. */
#define offsetof(type, member) (1 + (size_t) & ((type *)0)->member)

/* A module has one table at most. It lies behind the instance, all zeros. */
#define wasm_rt_allocate_funcref_table(table, count, count_max)                                    \
    ((table)->data = (wasm_rt_funcref_t *)(instance + 1), (table)->size = (count))

static void funcref_table_init(wasm_rt_funcref_table_t *to, const wasm_elem_segment_expr_t *from,
                               u32 from_size, u32 at, u32 first, u32 count, void *instance,
                               const u32 *func_types)
{
    for (u32 i = 0; i < count && first + i < from_size && at + i < to->size; i++) {
        const wasm_elem_segment_expr_t *one = &from[first + i];
        to->data[at + i].func_type = func_types[one->func_type_index];
        to->data[at + i].func = one->func;
        to->data[at + i].module_instance =
            one->module_offset == 0 ? instance
                                    : *(void **)((char *)instance + one->module_offset - 1);
    }
}

#ifdef __TINYC__
#define MR_COLD
#else
#define MR_COLD __attribute__((noreturn, cold, noinline))
#endif

static MR_COLD void mr_trap(mr_native_host *host, int why)
{
    host->trap(host, why);
    for (;;) { /* it does not return */
    }
}

/* Every function has its instance under this name. Every rewritten module imports mr.break, so that
 * the host is there; from env it need import no function. */
#define TRAP(why)   (mr_trap(instance->Z_mr_instance, MR_NATIVE_##why), 0)
#define UNREACHABLE TRAP(UNREACHABLE)

#define MR_REFRESH                                                                                 \
    (mr_bytes = instance->Z_envZ_memory->data, mr_size = instance->Z_envZ_memory->size,            \
     mr_marks = instance->Z_mrZ_marks->data)
#define MR_LOCALS                                                                                  \
    u8 *mr_bytes, *mr_marks;                                                                       \
    u64 mr_size;                                                                                   \
    MR_REFRESH

/* Functions are defined in their order, so that a counter has their numbers. */
#ifdef MR_NATIVE_FRAMES
enum { mr_counted = __COUNTER__ + 1 };
#define FUNC_PROLOGUE                                                                              \
    MR_LOCALS;                                                                                     \
    instance->Z_mr_instance->functions[instance->Z_mr_instance->depth++] =                         \
        MR_NATIVE_FRAMES + __COUNTER__ - mr_counted
#define FUNC_EPILOGUE instance->Z_mr_instance->depth--
#else
#define FUNC_PROLOGUE MR_LOCALS
#define FUNC_EPILOGUE
#endif

/* Where an access is, of `width_` bytes at the address `a_`; how that is found out is the first
 * argument of every access. Both sides of the comparison are below 2^34; what is subtracted is the
 * same for all accesses of one width, so that it can be taken out of loops. */
#define MR_AT_far                                                                                  \
    ({                                                                                             \
        if (UNLIKELY((s64)a_ > (s64)mr_size - (s64)width_))                                        \
            TRAP(OOB);                                                                             \
        mr_bytes + a_;                                                                             \
    })

/* Loops that are written twice (vm/native_body.h) have bases, which are numbered, and offsets from
 * them. All that is within the span of a base is inside memory and, if that can be, in one unit, or
 * else the first writing is not run. An offset is what an address is beyond its base, modulo 2^32.
 */
#define MR_IS_NEAR(k, base, align, span)                                                           \
    (((base) & ((align)-1)) == 0 && (u64)(u32)(base) + (span) <= mr_size &&                        \
     ((span) > 1u << MR_UNIT_SHIFT || MR_UNIT(base) == MR_UNIT((base) + (span)-1)))
#define MR_NEAR(k, base, align, span)                                                              \
    enum { mr_s##k = (span) };                                                                     \
    u8 *const mr_p##k = mr_bytes + (u32)(base), *const mr_m##k = mr_marks + MR_UNIT(base)
/* The offset of a base with bits put into it: they are that, below what the base is aligned to. */
#define MR_EITHER(k, base, offset, bits)                                                           \
    ((offset) == 0 && (bits) < mr_a##k ? (bits) : (((base) + (offset)) | (bits)) - (base))
/* `i` is the address, without what the access itself adds. */
#define MR_AT_near(k, offset, i)                                                                   \
    ({                                                                                             \
        const u64 o_ = a_ - (u64)(i) + (u64)(u32)(offset);                                         \
        LIKELY(o_ + width_ <= (u64)mr_s##k) ? mr_p##k + o_ : MR_AT_far;                            \
    })

#define MR_LOAD(mem, address, type, as, to)                                                        \
    ({                                                                                             \
        enum { width_ = sizeof(type) };                                                            \
        const u64 a_ = (address);                                                                  \
        (to)(as) * (const type *)(MR_AT_##mem);                                                    \
    })
#define MR_STORE(mem, address, type, value)                                                        \
    do {                                                                                           \
        enum { width_ = sizeof(type) };                                                            \
        const u64 a_ = (address);                                                                  \
        *(type *)(MR_AT_##mem) = (type)(value);                                                    \
    } while (0)

#define i32_load(mem, a)       MR_LOAD(mem, a, mr_any_u32, u32, u32)
#define i64_load(mem, a)       MR_LOAD(mem, a, mr_any_u64, u64, u64)
#define i32_load8_s(mem, a)    MR_LOAD(mem, a, s8, s32, u32)
#define i64_load8_s(mem, a)    MR_LOAD(mem, a, s8, s64, u64)
#define i32_load8_u(mem, a)    MR_LOAD(mem, a, u8, u32, u32)
#define i64_load8_u(mem, a)    MR_LOAD(mem, a, u8, u64, u64)
#define i32_load16_s(mem, a)   MR_LOAD(mem, a, mr_any_s16, s32, u32)
#define i64_load16_s(mem, a)   MR_LOAD(mem, a, mr_any_s16, s64, u64)
#define i32_load16_u(mem, a)   MR_LOAD(mem, a, mr_any_u16, u32, u32)
#define i64_load16_u(mem, a)   MR_LOAD(mem, a, mr_any_u16, u64, u64)
#define i64_load32_s(mem, a)   MR_LOAD(mem, a, mr_any_s32, s64, u64)
#define i64_load32_u(mem, a)   MR_LOAD(mem, a, mr_any_u32, u64, u64)
#define i32_store(mem, a, v)   MR_STORE(mem, a, mr_any_u32, v)
#define i64_store(mem, a, v)   MR_STORE(mem, a, mr_any_u64, v)
#define i32_store8(mem, a, v)  MR_STORE(mem, a, u8, v)
#define i32_store16(mem, a, v) MR_STORE(mem, a, mr_any_u16, v)
#define i64_store8(mem, a, v)  MR_STORE(mem, a, u8, v)
#define i64_store16(mem, a, v) MR_STORE(mem, a, mr_any_u16, v)
#define i64_store32(mem, a, v) MR_STORE(mem, a, mr_any_u32, v)

/* Marks are not compared with where memory ends: there is one for every unit that an address can be
 * in, and whatever is marked beyond the end is stored to next, which ends the call (vm/run.c). */
#define MR_UNIT(address)    ((u32)(address) >> MR_UNIT_SHIFT)
#define mark_unit(unit, as) (mr_marks[(unit)] = (u8)(as))
#define mark(address)       (mr_marks[MR_UNIT(address)] = 1)
#define near_mark(k, offset, address)                                                              \
    do {                                                                                           \
        if (mr_s##k <= 1 << MR_UNIT_SHIFT && LIKELY((u32)(offset) < (u32)mr_s##k))                 \
            *mr_m##k = 1;                                                                          \
        else                                                                                       \
            mark(address);                                                                         \
    } while (0)

#define CALL_INDIRECT(table, t, ft, x, ...)                                                        \
    (LIKELY((x) < (table).size && (table).data[x].func &&                                          \
            (table).data[x].func_type == func_types[ft]) ||                                        \
         (mr_trap(instance->Z_mr_instance, (x) >= (table).size         ? MR_NATIVE_NO_ELEMENT      \
                                           : (table).data[x].func == 0 ? MR_NATIVE_EMPTY_ELEMENT   \
                                                                       : MR_NATIVE_ELEMENT_TYPE),  \
          0),                                                                                      \
     ((t)(table).data[x].func)(__VA_ARGS__))

#ifdef __TINYC__
static u32 mr_clz(u64 x, u32 bits)
{
    u32 n = 0;
    while (n < bits && !(x >> (bits - 1 - n) & 1))
        n++;
    return n;
}
static u32 mr_ctz(u64 x, u32 bits)
{
    u32 n = 0;
    while (n < bits && !(x >> n & 1))
        n++;
    return n;
}
#define I32_CLZ(x) mr_clz(x, 32)
#define I64_CLZ(x) mr_clz(x, 64)
#define I32_CTZ(x) mr_ctz(x, 32)
#define I64_CTZ(x) mr_ctz(x, 64)
#else
#define I32_CLZ(x) ((x) ? __builtin_clz(x) : 32)
#define I64_CLZ(x) ((x) ? __builtin_clzll(x) : 64)
#define I32_CTZ(x) ((x) ? __builtin_ctz(x) : 32)
#define I64_CTZ(x) ((x) ? __builtin_ctzll(x) : 64)
#endif

/* Sums of 1, 2, 4 bits side by side, then of bytes. Where processors may lack an instruction for
 * it, gcc has a function in its library, which modules are not linked with. */
static u64 mr_popcount(u64 x)
{
    x -= x >> 1 & 0x5555555555555555ull;
    x = (x & 0x3333333333333333ull) + (x >> 2 & 0x3333333333333333ull);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
    return x * 0x0101010101010101ull >> 56;
}
#define I32_POPCNT(x) mr_popcount(x)
#define I64_POPCNT(x) mr_popcount(x)

#define MR_DIV_S(u, s, least, x, y)                                                                \
    (UNLIKELY((y) == 0)                               ? (u)TRAP(DIV_BY_ZERO)                       \
     : UNLIKELY((s)(x) == (least) && (s)(y) == (s)-1) ? (u)TRAP(INT_OVERFLOW)                      \
                                                      : (u)((s)(x) / (s)(y)))
#define MR_REM_S(u, s, x, y)                                                                       \
    (UNLIKELY((y) == 0)          ? (u)TRAP(DIV_BY_ZERO)                                            \
     : UNLIKELY((s)(y) == (s)-1) ? (u)0                                                            \
                                 : (u)((s)(x) % (s)(y)))
#define I32_DIV_S(x, y) MR_DIV_S(u32, s32, INT32_MIN, x, y)
#define I64_DIV_S(x, y) MR_DIV_S(u64, s64, INT64_MIN, x, y)
#define I32_REM_S(x, y) MR_REM_S(u32, s32, x, y)
#define I64_REM_S(x, y) MR_REM_S(u64, s64, x, y)
#define DIV_U(x, y)     (UNLIKELY((y) == 0) ? TRAP(DIV_BY_ZERO) : (x) / (y))
#define REM_U(x, y)     (UNLIKELY((y) == 0) ? TRAP(DIV_BY_ZERO) : (x) % (y))

#define I32_ROTL(x, y) ((x) << ((y)&31) | (x) >> (-(y)&31))
#define I64_ROTL(x, y) ((x) << ((y)&63) | (x) >> (-(y)&63))
#define I32_ROTR(x, y) ((x) >> ((y)&31) | (x) << (-(y)&31))
#define I64_ROTR(x, y) ((x) >> ((y)&63) | (x) << (-(y)&63))

#endif

#endif
