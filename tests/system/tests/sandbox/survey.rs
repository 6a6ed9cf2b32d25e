//! What a run can see of the place it is in. Two runs of different callers, or of one, must see the same.

/// Python that tells what it finds. What differs from run to run by nature, such as its own process id, is left out.
pub(crate) const CODE: &str = r#"
import os, sys, signal, resource, threading, builtins, json, gc, locale

def names(path):
    try:
        return sorted(os.listdir(path))
    except OSError as error:
        return error.errno

def neighbours():
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            if int(pid) != os.getpid() and os.stat('/proc/' + pid).st_uid == os.getuid():
                found.append(open('/proc/%s/stat' % pid).read().split(')')[0].split('(')[1])
        except OSError:
            pass
    return found

def lines(path):
    try:
        return len(open(path).read().splitlines())
    except OSError as error:
        return error.errno

result = {
    'here': names('.'), 'cwd': os.getcwd(), 'tmp': names('/tmp'), 'shm': names('/dev/shm'), 'vartmp': names('/var/tmp'),
    'mqueue': names('/dev/mqueue'), 'neighbours': neighbours(),
    'threads': [thread.name for thread in threading.enumerate()],
    'environment': dict(os.environ), 'umask': os.umask(0o022),
    'limits': {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith('RLIMIT_')},
    'handlers': [str(signal.getsignal(number)) for number in range(1, 32) if number not in (9, 19)],
    'blocked': sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
    'descriptors': len(os.listdir('/proc/self/fd')), 'nice': os.nice(0), 'ids': os.getresuid() + os.getresgid(),
    'groups': os.getgroups(),
    'sysv': [lines('/proc/sysvipc/' + kind) for kind in ('shm', 'sem', 'msg')],
    'abstract': open('/proc/net/unix').read().count('@') if os.access('/proc/net/unix', os.R_OK) else None,
    'builtins': len(vars(builtins)), 'dumps': json.dumps({'a': 1}), 'path': sys.path, 'argv': sys.argv[1:],
    'collecting': gc.isenabled(), 'recursion': sys.getrecursionlimit(), 'locale': locale.setlocale(locale.LC_ALL),
    'evil': sorted(name for name in sys.modules if 'evil' in name), 'scheduler': os.sched_getscheduler(0),
    'processors': len(os.sched_getaffinity(0)), 'timer': signal.getitimer(signal.ITIMER_REAL)[0],
    'name': open('/proc/self/comm').read(),
}
"#;
