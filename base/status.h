/* SPDX-License-Identifier: Apache-2.0 */
/* status: how a call reports a failure of the world (disk full, bad module, out of memory).
 *
 * Three things are kept apart. A bug of ours aborts (base/assert.h). A failure of the world is an
 * mr_status, returned and never ignored. An outcome of a program (trap, out of gas) is data in a
 * receipt, and the call that found it returned MR_OK. */
#ifndef MR_BASE_STATUS_H
#define MR_BASE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/* Every status: code, and the sentence that explains it to a person. */
#define MR_STATUS_MAP(X)                                                                           \
    X(OK, "success")                                                                               \
    X(NO_MEMORY, "out of memory")                                                                  \
    X(INVALID, "invalid argument or input")                                                        \
    X(NOT_FOUND, "not found")                                                                      \
    X(EXISTS, "already exists")                                                                    \
    X(LIMIT, "a limit is exceeded")                                                                \
    X(MODULE, "the WebAssembly module is refused")                                                 \
    X(CORRUPT, "stored data is damaged")                                                           \
    X(VERSION, "stored data has another format version")                                           \
    X(SCHEDULE, "the database was made with another gas schedule")                                 \
    X(IO, "input or output failed")                                                                \
    X(NO_SPACE, "no space left on the device")                                                     \
    X(BUSY, "in use by someone else")                                                              \
    X(STATE, "the call is not allowed in this state")                                              \
    X(UNSUPPORTED, "not supported here")                                                           \
    X(FULL, "there is no room left")

/* C before C23 knows no such attribute of an enumeration: there nobody is warned. */
#if defined(__cplusplus) || __STDC_VERSION__ > 201710L
#define MR_NODISCARD [[nodiscard]]
#else
#define MR_NODISCARD
#endif

typedef enum MR_NODISCARD mr_status {
#define MR_STATUS_ENUM(name, text) MR_##name,
    MR_STATUS_MAP(MR_STATUS_ENUM)
#undef MR_STATUS_ENUM
} mr_status;

/* mr_status_name returns the code's name without prefix, such as "NO_SPACE". Never NULL. */
const char *mr_status_name(mr_status status);

/* mr_status_text returns the sentence that explains the code. Never NULL. */
const char *mr_status_text(mr_status status);

/* MR_TRY passes a failure up: returns from the calling function unless `call` is MR_OK. */
#define MR_TRY(call)                                                                               \
    do {                                                                                           \
        mr_status mr_try_status_ = (call);                                                         \
        if (mr_try_status_ != MR_OK)                                                               \
            return mr_try_status_;                                                                 \
    } while (0)

#ifdef __cplusplus
}
#endif

#endif
