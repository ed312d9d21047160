"""Becomes another program, behind limits and a wall that it cannot lift. Runs alone: `python -I -S launch.py ...`.

    launch.py [parent=PID] [LIMIT=NUMBER ...] [cover=PATH] [read|write|open|execute=PATH ...] -- PROGRAM ARGUMENT ...

The program ends with its parent, where that is named, by the kernel (PR_SET_PDEATHSIG). LIMIT is what `resource` calls
`RLIMIT_...`, in lower case. Where a path is given, there is a wall: Landlock leaves the program the files named, and no
network; seccomp leaves it no new processes, no sockets, and nothing that changes other processes or files it has not
opened. `cover` lays the working folder over another in a name space of the program's own, as ngspice wants a nameless
file in /tmp. What fails is printed after MARK; the exit code is FAILED.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import os
import resource
import signal
import sys

MARK = "memsim-launch: "
FAILED = 97

CLONE_NEWNS, CLONE_NEWUSER, MS_BIND = 0x00020000, 0x10000000, 4096
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on all architectures
VERSION, PATH_BENEATH = 1, 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_FILE, MAKE_REG, TRUNCATE = (
    1 << bit for bit in (0, 1, 2, 3, 5, 8, 14)
)
FILE_ONLY = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
ALLOWED = {
    "read": READ_FILE | READ_DIR,
    "write": READ_FILE | READ_DIR | WRITE_FILE | REMOVE_FILE | MAKE_REG | TRUNCATE,
    "open": READ_FILE | WRITE_FILE,
    "execute": READ_FILE | EXECUTE,
}
FILE_RIGHTS = (0, 13, 14, 15, 15, 16, 16)
"""Number of rights that each version of Landlock knows."""

DENY, ALLOW = 0x00050001, 0x7FFF0000  # errno EPERM; go on
UNKNOWN = 0x00050026  # errno ENOSYS, for which the C library has another way
NOT_EQUAL, EQUAL, MASKED_EQUAL, CLONE_THREAD = 1, 4, 7, 0x00010000
F_SETOWN, F_SETSIG, F_SETOWN_EX = 8, 10, 15
FORBIDDEN = (
    "fork vfork socket socketpair connect bind listen accept accept4 sendto sendmsg ptrace kill tkill "
    "rt_sigqueueinfo rt_tgsigqueueinfo process_vm_readv process_vm_writev process_madvise pidfd_open "
    "pidfd_getfd pidfd_send_signal kcmp chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat "
    "truncate truncate64 utime utimes utimensat utimensat_time64 futimesat setxattr lsetxattr fsetxattr "
    "setxattrat removexattr lremovexattr fremovexattr removexattrat link linkat symlink symlinkat mknod "
    "mknodat mount umount2 pivot_root chroot unshare setns fsopen fsmount fsconfig fspick move_mount "
    "open_tree mount_setattr bpf perf_event_open userfaultfd keyctl add_key request_key io_uring_setup "
    "io_uring_enter io_uring_register open_by_handle_at name_to_handle_at init_module finit_module "
    "delete_module kexec_load kexec_file_load reboot swapon swapoff sethostname setdomainname "
    "settimeofday clock_settime clock_adjtime adjtimex personality quotactl quotactl_fd acct syslog "
    "shmget shmat shmctl semget semop semctl msgget msgsnd msgctl mq_open memfd_create memfd_secret "
    "inotify_init inotify_init1 fanotify_init setpriority ioprio_set sched_setaffinity sched_setscheduler "
    "sched_setparam sched_setattr setrlimit move_pages migrate_pages iopl ioperm modify_ldt vhangup "
    "nfsservctl lookup_dcookie"
)
YOUNG = {"fchmodat2": 452, "setxattrat": 463, "removexattrat": 466}
"""Numbers, the same on all processors, of calls that libseccomp may not know yet."""


class Ruleset(ctypes.Structure):
    """What Landlock handles; a kernel takes as much of it as it knows."""

    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class Beneath(ctypes.Structure):
    """Rights below a folder, or on a file."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("rights", ctypes.c_uint64), ("parent", ctypes.c_int32))


class Comparison(ctypes.Structure):
    """A condition on an argument of a system call, for libseccomp."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("mask", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
    )


def confine(rules: list[tuple[str, str]]) -> None:
    """Build the wall; OSError where this machine has none."""
    kernel = ctypes.CDLL(None, use_errno=True)
    version = kernel.syscall(CREATE_RULESET, None, ctypes.c_size_t(0), VERSION)
    if version < 1:
        raise OSError(ctypes.get_errno(), "the kernel has no Landlock")
    known = (1 << FILE_RIGHTS[min(version, len(FILE_RIGHTS) - 1)]) - 1
    handled = Ruleset(known, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = _checked(
        kernel.syscall(CREATE_RULESET, ctypes.byref(handled), ctypes.c_size_t(size), 0), "Landlock rules"
    )
    for kind, path in rules:
        with contextlib.suppress(FileNotFoundError):
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            rights = ALLOWED[kind] & known & (-1 if os.path.isdir(path) else FILE_ONLY)  # noqa: PTH112
            rule = Beneath(rights, place)
            _checked(
                kernel.syscall(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(rule), 0), f"rule for {path}"
            )
            os.close(place)
    _checked(kernel.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    _checked(kernel.syscall(RESTRICT_SELF, ruleset, 0), "Landlock")
    os.close(ruleset)
    _forbid_calls()


def _forbid_calls() -> None:
    """Let the C library of seccomp write the filter, which depends on the processor."""
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ALLOW))
    for name in FORBIDDEN.split():
        _forbid(library, context, DENY, name)
    _forbid(library, context, UNKNOWN, "clone3")
    _forbid(library, context, DENY, "clone", Comparison(0, MASKED_EQUAL, CLONE_THREAD, 0))
    # limits and signals: its own to be looked at, nobody's to be changed
    _forbid(library, context, DENY, "prlimit64", Comparison(0, NOT_EQUAL, 0, 0))
    _forbid(library, context, DENY, "prlimit64", Comparison(2, NOT_EQUAL, 0, 0))
    _forbid(library, context, DENY, "tgkill", Comparison(0, NOT_EQUAL, os.getpid(), 0))
    _forbid(library, context, DENY, "prctl", Comparison(0, EQUAL, PR_SET_PDEATHSIG, 0))
    for command in (F_SETOWN, F_SETSIG, F_SETOWN_EX):
        _forbid(library, context, DENY, "fcntl", Comparison(1, EQUAL, command, 0))
    _checked(library.seccomp_load(context), "seccomp")


def _forbid(
    library: ctypes.CDLL, context: ctypes.c_void_p, action: int, name: str, *conditions: Comparison
) -> None:
    number = library.seccomp_syscall_resolve_name(name.encode())
    if number == -1:  # libseccomp does not know it; other negative numbers: this processor does not have it
        number = YOUNG.get(name, -1)
    if number >= 0:
        array = (Comparison * len(conditions))(*conditions)
        result = library.seccomp_rule_add_array(
            context, ctypes.c_uint32(action), number, len(conditions), array
        )
        _checked(result, f"seccomp rule for {name}")


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno() or -result
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def limit(name: str, value: int) -> None:
    """Set a limit, unless there is a lower one already."""
    kind = getattr(resource, f"RLIMIT_{name.upper()}")
    present = [one for one in resource.getrlimit(kind) if one != resource.RLIM_INFINITY]
    resource.setrlimit(kind, (min(value, *present), min(value, *present)) if present else (value, value))


def cover(path: str) -> None:
    """Lay the working folder over another one, for this process alone."""
    kernel = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    _checked(kernel.unshare(CLONE_NEWUSER | CLONE_NEWNS), "name space")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib is slow to import
            file.write(text)
    _checked(kernel.mount(b".", path.encode(), None, MS_BIND, None), f"cover of {path}")


def end_with(parent: int) -> None:
    """Let the kernel kill this process, and what it becomes, when its parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before the kernel was told
            os._exit(FAILED)


def main(arguments: list[str]) -> None:
    """Set the limits, build the wall, and become the program."""
    end = arguments.index("--")
    parent, rules = 0, []
    try:
        for argument in arguments[:end]:
            name, _, value = argument.partition("=")
            if name == "parent":
                parent = int(value)
            elif name == "cover":
                cover(value)
            elif name in ALLOWED:
                rules.append((name, value))
            else:
                limit(name, int(value))
        for ignored in (
            signal.SIGPIPE,
            signal.SIGXFSZ,
        ):  # Python ignores them, and what it becomes would, too
            signal.signal(ignored, signal.SIG_DFL)
        if parent:
            end_with(parent)
        if rules:
            confine(rules)
        os.execv(arguments[end + 1], arguments[end + 1 :])  # noqa: S606
    except (OSError, ValueError, AttributeError) as error:
        os.write(2, f"{MARK}{error}\n".encode(errors="replace"))
        os._exit(FAILED)


if __name__ == "__main__":
    main(sys.argv[1:])
