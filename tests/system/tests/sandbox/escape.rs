//! A: ways out, and ways to more rights.

use serde_json::{Value, json};

use crate::python::{Python, assert_all_refused};

cases! {
    a2_raw_sockets,
    a4_odd_socket_families,
    a5_other_processes_memory,
    a6_programs_of_root,
    a7_settings_of_the_kernel,
    a8_programs_of_its_own,
    a9_doors_left_open,
    a12_rights_over_files,
    a13_control_groups,
    x_rights_are_none,
    x_descriptors_of_others,
    x_sockets_of_the_host,
}

async fn a2_raw_sockets(python: &Python) {
    let attempts = r"
{'packet': tried(socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 0),
 'icmp': tried(socket.socket, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
 'icmp6': tried(socket.socket, socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6),
 'raw': tried(socket.socket, socket.AF_INET, socket.SOCK_RAW, 255)}";
    assert_all_refused(&python.attack(attempts).await);
}

async fn a4_odd_socket_families(python: &Python) {
    // ALG, VSOCK, CAN, BLUETOOTH, TIPC, RDS, KEY, XDP, PPPOX, NFC, KCM, QIPCRTR.
    let attempts = "many(lambda family: socket.socket(family, socket.SOCK_DGRAM), [38, 40, 29, 31, 30, 21, 15, 44, 24, 39, 41, 42])";
    let attempts = python.attack(attempts).await;
    for (family, answer) in attempts.as_object().unwrap() {
        assert!(
            !answer.as_str().unwrap().starts_with("allowed"),
            "{family}: {answer}"
        );
    }
    for family in ["38", "40"] {
        assert_all_refused(&json!({ family: attempts[family] }));
    }
}

async fn a5_other_processes_memory(python: &Python) {
    let attempts = r"
buffer = ctypes.create_string_buffer(64)
vector = (ctypes.c_ulong * 2)(ctypes.addressof(buffer), 64)
found = {}
for target in {1, os.getppid()}:
    found[f'attach {target}'] = tried(system, 101, 16, target, 0, 0)
    found[f'seize {target}'] = tried(system, 101, 0x4206, target, 0, 0)
    found[f'read {target}'] = tried(system, 310, target, vector, 1, vector, 1, 0)
    found[f'write {target}'] = tried(system, 311, target, vector, 1, vector, 1, 0)
    found[f'compare {target}'] = tried(system, 312, os.getpid(), target, 0, 0, 1)
    try:
        handle = os.pidfd_open(target)
    except OSError:
        continue
    found[f'descriptor {target}'] = tried(system, 438, handle, 0, 0)
    found[f'advise {target}'] = tried(system, 440, handle, vector, 1, 21, 0)
found";
    assert_all_refused(&python.attack(attempts).await);
}

async fn a6_programs_of_root(python: &Python) {
    let found = r"
suid = []
for folder in ('/usr/bin', '/usr/sbin', '/bin', '/sbin', '/usr/lib'):
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        try:
            if os.stat(os.path.join(folder, name)).st_mode & 0o6000:
                suid.append(os.path.join(folder, name))
        except OSError:
            pass
try:
    said = subprocess.run(['/bin/su', '-c', 'id -u'], capture_output=True, text=True, timeout=5).stdout
except OSError as error:
    said = repr(error)
{'suid': len(suid), 'said': said.strip(), 'status': open('/proc/self/status').read()}";
    let found = python.attack(found).await;
    assert_ne!(found["said"], "0");
    assert!(
        found["status"].as_str().unwrap().contains("NoNewPrivs:\t1"),
        "{found}"
    );
}

async fn a7_settings_of_the_kernel(python: &Python) {
    let attempts = r"
found = many(opened, ['/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/proc/sys/kernel/modprobe',
    '/proc/sys/vm/drop_caches', '/proc/sys/kernel/hostname', '/proc/sys/vm/overcommit_memory', '/proc/sys/fs/file-max',
    '/sys/kernel/uevent_helper', '/sys/kernel/mm/ksm/run', '/sys/power/state', '/sys/kernel/mm/transparent_hugepage/enabled',
    '/proc/1/oom_score_adj', '/proc/1/loginuid', '/proc/1/uid_map', '/proc/irq/default_smp_affinity', '/proc/bus/pci'])
found.pop('/proc/bus/pci') if found['/proc/bus/pci'] == 'EISDIR' else None
found.update(many(read, ['/proc/kcore', '/proc/kmsg', '/proc/sched_debug', '/sys/firmware/dmi/tables/DMI', '/proc/kallsyms.bak']))
def lower():
    with open('/proc/self/oom_score_adj', 'w') as file:
        file.write('-999')
found['lower'] = tried(lower)
found";
    assert_all_refused(&python.attack(attempts).await);
}

async fn a8_programs_of_its_own(python: &Python) {
    let attempts = r"
import shutil
found = {}
def run(*command):
    return subprocess.run(command, capture_output=True, timeout=10).check_returncode()
for folder in ('.', '/tmp', '/dev/shm'):
    own = os.path.join(folder, 'own')
    try:
        shutil.copyfile('/bin/true', own)
        os.chmod(own, 0o755)
        open(own + '.sh', 'w').write('#!/bin/sh\nexit 0\n')
        os.chmod(own + '.sh', 0o755)
    except OSError:
        continue
    found[folder] = tried(run, os.path.abspath(own))
    found[folder + ' script'] = tried(run, os.path.abspath(own) + '.sh')
    found[folder + ' by the loader'] = tried(run, '/lib64/ld-linux-x86-64.so.2', os.path.abspath(own))
    os.remove(own)
    os.remove(own + '.sh')
found";
    let attempts = python.attack(attempts).await;
    assert!(!attempts.as_object().unwrap().is_empty());
    for (how, answer) in attempts.as_object().unwrap() {
        let answer = answer.as_str().unwrap();
        assert!(!answer.starts_with("allowed"), "{how}: {answer}");
    }
}

async fn a9_doors_left_open(python: &Python) {
    let found = r"
paths = ['/var/run/docker.sock', '/run/docker.sock', '/run/containerd', '/run/podman', '/run/user', '/root/.ssh', '/root/.docker',
    '/host', '/rootfs', '/mnt/host', '/etc/shadow', '/etc/gshadow', '/etc/ssh', '/boot', '/home', '/root/.cargo', '/root/.bash_history']
def readable(path):
    try:
        return bool(os.listdir(path)) if os.path.isdir(path) else bool(open(path, 'rb').read(1))
    except OSError:
        return False
devices = []
for folder, _, names in os.walk('/dev'):
    for name in names:
        path = os.path.join(folder, name)
        try:
            mode = os.lstat(path).st_mode
            if stat.S_ISBLK(mode) or name in ('mem', 'kmem', 'port', 'kvm', 'fuse', 'kmsg', 'uinput', 'vhost-net', 'tun'):
                os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
                devices.append(path)
        except OSError:
            pass
{'paths': [path for path in paths if readable(path)], 'devices': devices,
 'mounts': [line for line in open('/proc/self/mountinfo').read().splitlines() if 'docker.sock' in line]}";
    let found = python.attack(found).await;
    assert_eq!(found, json!({ "paths": [], "devices": [], "mounts": [] }));
}

async fn a12_rights_over_files(python: &Python) {
    let attempts = r"
open('mine', 'w').write('x')
capability = bytes.fromhex('0100000200200000000000000000000000000000')
other = 1 if os.getuid() == 0 else 0
def of(call, *arguments):
    answer = tried(call, *arguments)
    # Where it calls itself 0 there is nobody else it could become.
    return 'EPERM' if answer == 'EINVAL' and other else answer
{'give away': of(os.chown, 'mine', other, other), 'node': tried(os.mknod, 'node', stat.S_IFCHR | 0o666, os.makedev(1, 1)),
 'block': tried(os.mknod, 'disk', stat.S_IFBLK | 0o666, os.makedev(8, 0)),
 'capability': tried(os.setxattr, 'mine', 'security.capability', capability),
 'setuid': of(os.setuid, other), 'setgid': of(os.setgid, other), 'setgroups': of(os.setgroups, [other]),
 'chroot': tried(os.chroot, '.'), 'shadow': tried(os.chmod, '/etc/passwd', 0o666)}";
    assert_all_refused(&python.attack(attempts).await);
}

async fn a13_control_groups(python: &Python) {
    let found = r"
writable, looked = [], 0
for folder, folders, names in os.walk('/sys/fs/cgroup'):
    for name in names:
        looked += 1
        path = os.path.join(folder, name)
        try:
            opened(path)
            writable.append(path)
        except OSError:
            pass
    try:
        os.mkdir(os.path.join(folder, 'evil'))
        writable.append(folder)
    except OSError:
        pass
    if looked > 4000:
        break
writable";
    assert_eq!(python.attack(found).await, json!([]));
}

async fn x_rights_are_none(python: &Python) {
    let status = "dict(line.split(':\\t', 1) for line in open('/proc/self/status').read().splitlines() if ':\\t' in line)";
    let status = python.attack(status).await;
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(status[set], "0000000000000000", "{set}: {status}");
    }
    assert_eq!(
        (&status["NoNewPrivs"], &status["Seccomp"]),
        (&json!("1"), &json!("2")),
        "{status}"
    );
    // A zero may be what it calls itself; then it is nobody's number outside.
    let outside = python.attack("open('/proc/self/uid_map').read().split()").await;
    let zero = status["Uid"].as_str().unwrap().split('\t').any(|id| id == "0");
    assert!(!zero || outside[1] != "0", "{status}, {outside}");
}

/// Whatever descriptors it has are pipes and devices of its own: none leads to a file, a directory or a socket.
async fn x_descriptors_of_others(python: &Python) {
    let found = r"
found = []
for descriptor in os.listdir('/proc/self/fd'):
    try:
        target = os.readlink('/proc/self/fd/' + descriptor)
    except OSError:
        continue
    found.append((int(descriptor), target))
for pid in filter(str.isdigit, os.listdir('/proc')):
    if int(pid) != os.getpid():
        for kind in ('fd', 'cwd', 'root', 'map_files', 'task/' + pid + '/fd'):
            try:
                os.listdir(f'/proc/{pid}/{kind}')
                found.append((int(pid), kind))
            except OSError:
                pass
found";
    let found = python.attack(found).await;
    for entry in found.as_array().unwrap() {
        let (number, target) = (entry[0].as_u64().unwrap(), entry[1].as_str().unwrap());
        let own = ["pipe:", "/dev/null", "anon_inode:", "/proc/"]
            .iter()
            .any(|own| target.starts_with(own));
        assert!(own && number < 256, "{found}");
    }
}

/// Where it finds a socket it can connect to, such as the runner's own, nobody answers; and those who knock in vain do
/// not keep the host out afterwards.
async fn x_sockets_of_the_host(python: &Python) {
    let found = r"
found, kept = [], []
def talk(path):
    for _ in range(20):
        knocker = socket.socket(socket.AF_UNIX)
        knocker.setblocking(False)
        tried(knocker.connect, path)
        tried(knocker.send, b'\0\0\0\0')
        kept.append(knocker)
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(1)
        caller.connect(path)
        try:
            caller.sendall(b'\0' * 64)
            answer = caller.recv(64)
        except (BrokenPipeError, ConnectionResetError):
            return
        except socket.timeout:
            return
        if answer:
            found.append([path, repr(answer)])
for top in ('/run', '/var/run', '/tmp', '/dev', '/var/lib', '/home', '/root', '/srv'):
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            try:
                if stat.S_ISSOCK(os.stat(path).st_mode):
                    talk(path)
            except OSError:
                pass
try:
    names = [line.split()[-1] for line in open('/proc/net/unix') if '@' in line]
except OSError:
    names = []
for name in names:
    try:
        talk('\0' + name[1:])
    except OSError:
        pass
found";
    assert_eq!(python.attack(found).await, Value::Array(Vec::new()));
}
