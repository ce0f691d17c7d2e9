/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/native_build.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "vm/native_artifact.h"

enum { FLAGS_MAX = 48, CLOCK_FACTOR = 2 };

/* Limits are set by a shell, which then becomes the compiler: nothing of ours runs between fork and
 * exec, whatever other threads hold. A core file of a compiler helps nobody. */
static const char limited[] = "ulimit -c 0 && ulimit -t \"$1\" && ulimit -v \"$2\" && "
                              "ulimit -f \"$3\" && shift 3 && exec \"$@\"";

/* All signals are let through and as they are by default; files are closed but for /dev/null and
 * m.txt; temporary files end up in the directory, too. */
static int spawn(const char *directory, char *const argv[], pid_t *out)
{
    char tmp[PATH_MAX + 8];
    (void)snprintf(tmp, sizeof tmp, "TMPDIR=%s", directory);
    char path[] = "PATH=/usr/local/bin:/usr/bin:/bin", locale[] = "LC_ALL=C";
    char *const environment[] = {path, locale, tmp, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    int number = posix_spawn_file_actions_init(&files);
    if (number != 0)
        return number;
    number = posix_spawnattr_init(&how);
    if (number != 0) {
        (void)posix_spawn_file_actions_destroy(&files);
        return number;
    }
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    number = posix_spawn_file_actions_addchdir_np(&files, directory);
    if (number == 0)
        number = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (number == 0)
        number = posix_spawn_file_actions_addopen(&files, 1, "/dev/null", O_WRONLY, 0);
    if (number == 0)
        number = posix_spawn_file_actions_addopen(&files, 2, "m.txt", O_WRONLY | O_CREAT | O_TRUNC,
                                                  0600);
    if (number == 0)
        number = posix_spawn_file_actions_addclosefrom_np(&files, 3);
    if (number == 0)
        number = posix_spawnattr_setsigmask(&how, &none);
    if (number == 0)
        number = posix_spawnattr_setsigdefault(&how, &all);
    if (number == 0)
        number = posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                                    POSIX_SPAWN_SETSIGDEF);
    if (number == 0)
        number = posix_spawn(out, "/bin/sh", &files, &how, argv, environment);
    (void)posix_spawnattr_destroy(&how);
    (void)posix_spawn_file_actions_destroy(&files);
    return number;
}

/* Waits until the child has ended, and leaves it to be waited for: its number stays its own. False
 * when it takes too long, or is no longer wanted. */
static bool has_ended(pid_t child, uint64_t seconds, const _Atomic bool *stop)
{
    const uint64_t end = mr_clock_ns() + seconds * 1000000000u;
    const struct timespec step = {.tv_nsec = 1000000};
    while (mr_clock_ns() < end && !atomic_load_explicit(stop, memory_order_relaxed)) {
        siginfo_t info = {0};
        const int number = waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT);
        if ((number == 0 && info.si_pid == child) || (number != 0 && errno != EINTR))
            return true;
        (void)nanosleep(&step, NULL);
    }
    return false;
}

/* Waits for the compiler, and ends it and all it began when it takes too long. False: it did not
 * end well. */
static bool wait_for(pid_t child, uint64_t seconds, const _Atomic bool *stop, bool *late)
{
    *late = !has_ended(child, seconds, stop);
    (void)kill(-child, SIGKILL); /* and whatever it may have left behind */
    int how = 0;
    pid_t ended;
    do {
        ended = waitpid(child, &how, 0);
    } while (ended < 0 && errno == EINTR);
    return !*late && ended == child && WIFEXITED(how) && WEXITSTATUS(how) == 0;
}

/* What the compiler complained of: the first line that says "error", else the first line. */
static void read_complaint(const char *directory, char *out, size_t size)
{
    char path[PATH_MAX], line[200];
    out[0] = 0;
    if ((size_t)snprintf(path, sizeof path, "%s/m.txt", directory) >= sizeof path)
        return;
    FILE *file = mr_artifact_lines(path);
    if (file == NULL)
        return;
    bool found = false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        found = strstr(line, "error") != NULL;
        if (found || out[0] == 0)
            (void)snprintf(out, size, "%s", line);
    }
    (void)fclose(file);
    for (char *at = out; *at != 0; at++) {
        if ((unsigned char)*at < ' ')
            *at = at[1] == 0 ? 0 : ' ';
    }
}

mr_status mr_build_run(const mr_build *build, const char *directory, mr_span text,
                       const _Atomic bool *stop, mr_error *error)
{
    char source[PATH_MAX];
    if ((size_t)snprintf(source, sizeof source, "%s/m.c", directory) >= sizeof source)
        return MR_FAIL(error, MR_IO, "the path of %s is too long", directory);
    mr_status status = mr_artifact_write(source, text);
    if (status != MR_OK)
        return MR_FAIL(error, status, "cannot write %s: %s", source, strerror(errno));
    char seconds[24], memory[24], blocks[24];
    (void)snprintf(seconds, sizeof seconds, "%u", build->seconds_max);
    (void)snprintf(memory, sizeof memory, "%llu",
                   (unsigned long long)(build->memory_bytes_max >> 10));
    (void)snprintf(blocks, sizeof blocks, "%llu", (unsigned long long)(build->file_bytes_max >> 9));
    const char *argv[FLAGS_MAX + 16] = {"sh", "-c", limited, "sh", seconds, memory, blocks};
    size_t count = 7;
    static const char *const nice[] = {"nice", "-n", "19"};
    for (size_t i = 0; !build->is_urgent && i < sizeof nice / sizeof nice[0]; i++)
        argv[count++] = nice[i];
    argv[count++] = build->compiler;
    for (size_t i = 0; build->flags[i] != NULL && i < FLAGS_MAX; i++)
        argv[count++] = build->flags[i];
    argv[count++] = "m.c";
    argv[count++] = "-o";
    argv[count++] = "m.so";
    pid_t child;
    const int number = spawn(directory, (char *const *)argv, &child);
    if (number != 0)
        return MR_FAIL(error, MR_IO, "cannot start %s: %s", build->compiler, strerror(number));
    bool late;
    if (wait_for(child, (uint64_t)build->seconds_max * CLOCK_FACTOR, stop, &late))
        return MR_OK;
    if (atomic_load_explicit(stop, memory_order_relaxed))
        return MR_FAIL(error, MR_BUSY, "%s was stopped", build->compiler);
    char complaint[200];
    read_complaint(directory, complaint, sizeof complaint);
    if (late)
        return MR_FAIL(error, MR_MODULE, "%s took more than %u seconds", build->compiler,
                       build->seconds_max * CLOCK_FACTOR);
    return MR_FAIL(error, MR_MODULE, "%s failed%s%s", build->compiler,
                   complaint[0] != 0 ? ": " : "", complaint);
}
