//! A: system calls that no ordinary program makes.

use crate::python::{Python, assert_all_refused};

cases! {
    a1_mounts,
    a3_calls_of_administrators_and_of_exploits,
    a4_namespaces,
    x_calls_of_another_architecture,
}

async fn a1_mounts(python: &Python) {
    let attempts = r"
none, tmp, kind = b'none', b'/tmp', b'tmpfs'
{'tmpfs': tried(system, 165, none, tmp, kind, 0, 0), 'proc': tried(system, 165, b'proc', b'/proc', b'proc', 0, 0),
 'bind': tried(system, 165, b'/', tmp, 0, 4096, 0), 'again': tried(system, 165, none, b'/', 0, 32 | 4096, 0),
 'unmount': tried(system, 166, b'/proc', 2), 'pivot': tried(system, 155, b'.', b'.'),
 'open': tried(system, 428, -100, b'/', 1), 'context': tried(system, 430, kind, 0), 'attributes': tried(system, 442, -100, b'/', 0, 0, 0)}";
    assert_all_refused(&python.attack(attempts).await);
}

/// The arguments are of no use to anybody, so that a call which is let through is told from its error and does nothing.
async fn a3_calls_of_administrators_and_of_exploits(python: &Python) {
    let attempts = r"
calls = {'io_uring_setup': (425, 8, 0), 'io_uring_enter': (426, 0, 0, 0, 0), 'io_uring_register': (427, 0, 0, 0, 0),
    'bpf': (321, 0, 0, 0), 'userfaultfd': (323, 0), 'perf_event_open': (298, 0, 0, -1, -1, 0), 'keyctl': (250, 0, -3, 0),
    'add_key': (248, b'user', b'k', b'v', 1, -3), 'request_key': (249, b'user', b'k', 0, -3), 'kexec_load': (246, 0, 0, 0, 0),
    'kexec_file_load': (320, -1, -1, 0, 0, 0), 'init_module': (175, 0, 0, 0), 'finit_module': (313, -1, 0, 0),
    'delete_module': (176, 0, 0), 'open_by_handle_at': (304, -100, 0, 0), 'fanotify_init': (300, 0, 0), 'quotactl': (179, 0, 0, 0, 0),
    'acct': (163, 0), 'swapon': (167, 0, 0), 'reboot': (169, 0, 0, 0, 0), 'settimeofday': (164, 0, 0), 'clock_settime': (227, 0, 0),
    'sethostname': (170, 0, 0), 'iopl': (172, 3), 'ioperm': (173, 0, 1, 1), 'syslog': (103, 3, 0, 0), 'vhangup': (153,),
    'setns': (308, -1, 0), 'ptrace': (101, 0, 0, 0, 0), 'kcmp': (312, 1, 1, 0, 0, 0), 'move_pages': (279, 1, 0, 0, 0, 0, 0),
    'lookup_dcookie': (212, 0, 0, 0), 'nfsservctl': (180, 0, 0, 0)}
{name: tried(system, *call) for name, call in calls.items()}";
    assert_all_refused(&python.attack(attempts).await);
}

async fn a4_namespaces(python: &Python) {
    let attempts = r"
def clone(flags):
    child = system(56, flags | 17, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return child
found = {f'unshare {flag:x}': tried(system, 272, flag) for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x8000000, 0x4000000, 0x2000000)}
found.update({f'clone {flag:x}': tried(clone, flag) for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000)})
class Arguments(ctypes.Structure):
    _fields_ = [(str(index), ctypes.c_uint64) for index in range(11)]
def clone3():
    arguments = Arguments()
    setattr(arguments, '0', 0x10000000)
    setattr(arguments, '4', 17)
    child = system(435, ctypes.byref(arguments), 88)
    if child == 0:
        os._exit(0)
    return child
found['clone3'] = tried(clone3)
for kind in ('net', 'mnt', 'pid', 'user', 'uts', 'ipc'):
    for whose in ('self', '1'):
        try:
            handle = os.open(f'/proc/{whose}/ns/{kind}', os.O_RDONLY)
        except OSError:
            continue
        found[f'enter {whose} {kind}'] = tried(system, 308, handle, 0)
found";
    assert_all_refused(&python.attack(attempts).await);
}

/// `int 0x80` and the x32 calls have numbers of their own, which a careless filter lets through.
async fn x_calls_of_another_architecture(python: &Python) {
    let attempts = r"
import mmap
def by_interrupt(number):
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b'\xb8' + number.to_bytes(4, 'little') + b'\x31\xdb\xcd\x80\xc3')
    return -ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
def x32(*call):
    try:
        return system(*call) and 0
    except OSError as error:
        return error.errno
def in_a_child(call, *arguments):
    child = os.fork()
    if child == 0:
        os._exit(call(*arguments) & 0xff)
    status = os.waitpid(child, 0)[1]
    # A filter may also kill, by SIGSYS; and where the kernel knows no such calls, they are faults.
    code = errno.EPERM if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
    if code:
        raise OSError(code, 'refused')
    return 'ran'
{'unshare by interrupt': tried(in_a_child, by_interrupt, 310), 'x32 unshare': tried(in_a_child, x32, 0x40000000 | 272, 0x10000000),
 'x32 ptrace': tried(in_a_child, x32, 0x40000000 | 521, 16, 1, 0, 0)}";
    assert_all_refused(&python.attack(attempts).await);
}
