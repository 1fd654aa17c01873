"""The .deb in clean systems: installed, started as its unit says, used, upgraded, removed, purged.

    python3 tests/packages/roots.py --deb target/dist/ternmq_0.1.0_amd64.deb [--suite noble]...

Makes a minimal system of each suite with debootstrap (kept in --work, and copied for each run), and
goes through it in a network of its own, so that ports are as packaged. First without systemd: what
the unit says is done by hand, as the user it names. Then with systemd, booted by systemd-nspawn, whose
own `systemd-analyze` checks the unit. Needs root. A suite whose archive cannot be reached is named and
fails.
"""

import argparse
import gzip
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SUITES = {"bookworm": "Debian 12", "noble": "Ubuntu 24.04", "bionic": "Ubuntu 18.04"}
UNIT = "/usr/lib/systemd/system/ternmq.service"
SETTINGS = "/etc/ternmq/ternmq.toml"
# A user of whom nothing else runs.
STRANGER = 64242
PASSWORD = "tern-and-tide-7"
PATIENCE_SECS = 30
SQUATTER = """
import os, socket, sys
os.setgid({id}); os.setuid({id})
with socket.create_server(("0.0.0.0", 1883)):
    print("there", flush=True)
    sys.stdin.read()
"""


# Runs in a booted system, and tells what it sees.
BOOTED = r"""
set -u
told() { echo "== $1"; }
systemd-run --quiet --unit squatter --uid daemon perl -MIO::Socket::INET -e \
    '$$s = IO::Socket::INET->new(LocalPort => 1883, Listen => 1) or die; sleep 600'
for n in $(seq 100); do grep -q ':075B .* 0A ' /proc/net/tcp && break; sleep 0.1; done
told install
dpkg -i /srv/ternmq.deb && echo installed
for n in $(seq 100); do
    systemctl show --property StatusText ternmq | grep 'port 1883 is used by' && break; sleep 0.1
done
systemctl stop squatter
told verify
systemd-analyze --version | head -n 1
systemd-analyze verify /usr/lib/systemd/system/ternmq.service && echo verified
mkdir -p /etc/systemd/system/ternmq.service.d
printf '[Service]\nWatchdogSec=2s\n' > /etc/systemd/system/ternmq.service.d/watchdog.conf
systemctl daemon-reload
told free
for n in $(seq 100); do systemctl --quiet is-active ternmq && break; sleep 0.2; done
systemctl restart ternmq
systemctl show --property ActiveState,StatusText ternmq
told reload
echo 'nonsense = 1' >> /etc/ternmq/ternmq.toml
systemctl reload ternmq
for n in $(seq 100); do
    journalctl --unit ternmq --priority err --output cat | grep 'not reloaded' && break; sleep 0.2
done
sed -i '$d' /etc/ternmq/ternmq.toml
systemctl is-active ternmq
told upgrade
ternmq pub -h 127.0.0.1 -t kept -r -q 1 -m still
before=$(systemctl show --property MainPID ternmq)
dpkg -i /srv/newer.deb
[ "$before" = "$(systemctl show --property MainPID ternmq)" ] || echo restarted
systemctl is-active ternmq
ternmq sub -h 127.0.0.1 -t kept -C 1 -W 20 -F 'retained: %p'
told watchdog
kill -STOP "$(systemctl show --property MainPID ternmq | cut -d = -f 2)"
for n in $(seq 100); do
    systemctl show --property ActiveState,SubState,NRestarts ternmq | tr '\n' ' ' |
        grep 'NRestarts=[1-9].*SubState=running\|SubState=running.*NRestarts=[1-9]' && break
    sleep 0.2
done
journalctl --unit ternmq --output cat | grep -i 'watchdog timeout'
told stop
systemctl stop ternmq
systemctl show --property Result ternmq
told again
link=/etc/systemd/system/multi-user.target.wants/ternmq.service
dpkg --remove ternmq
[ -L $link ] || echo unlinked
dpkg -i /srv/newer.deb
echo "again $(systemctl is-enabled ternmq) $(systemctl is-active ternmq)"
ternmq sub -h 127.0.0.1 -t kept -C 1 -W 20 -F 'retained: %p'
systemctl --quiet disable --now ternmq
dpkg -i /srv/ternmq.deb
echo "disabled $(systemctl is-enabled ternmq) $(systemctl is-active ternmq)"
told purge
dpkg --purge ternmq && echo purged
[ -L $link ] || echo unlinked
told end
"""


class Wrong(Exception):
    """Something is not as it was promised."""


def check(is_so, what, said=""):
    if not is_so:
        raise Wrong(f"{what}\n{said}".strip())


class System:
    """A clean system: its root, and a network that only it is in."""

    def __init__(self, base, place):
        self.root = place / "root"
        subprocess.run(["cp", "-a", base, self.root], check=True)
        script = ("ip link set lo up && mount -t proc proc \"$1/proc\" "
                  "&& mount --bind /dev \"$1/dev\" && echo up && exec sleep 3600")
        self.holder = subprocess.Popen(["unshare", "-n", "-m", "sh", "-c", script, "sh", self.root],
                                       stdout=subprocess.PIPE, text=True)
        check(self.holder.stdout.readline() == "up\n", "no network of its own")

    def close(self):
        self.holder.kill()
        self.holder.wait()

    def network(self, *command):
        return ["nsenter", "-t", str(self.holder.pid), "-n", *map(str, command)]

    def inside(self, *command):
        enter = ["nsenter", "-t", str(self.holder.pid), "-n", "-m", "chroot", str(self.root)]
        return [*enter, *map(str, command)]

    def inside_as(self, user, *command):
        """The same as another user, who cannot become more than that."""
        enter = ["nsenter", "-t", str(self.holder.pid), "-n", "-m", "chroot",
                 "--userspec=" + ":".join(user), "--groups=", str(self.root)]
        return ["setpriv", "--no-new-privs", "--inh-caps=-all", *enter, *map(str, command)]

    def run(self, *command, good=True, **env):
        """What a command inside says; it succeeds, unless it may not."""
        paths = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        variables = {"PATH": paths, "HOME": "/root", "LC_ALL": "C",
                     "DEBIAN_FRONTEND": "noninteractive", **env}
        done = subprocess.run(self.inside(*command), env=variables, text=True, timeout=300,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        if good:
            check(done.returncode == 0, f"{command}: exit code {done.returncode}", done.stdout)
        return done.stdout

    def path(self, path):
        return self.root / path.lstrip("/")


class Service:
    """The process that the unit describes, and what it tells as its supervisor would hear it."""

    def __init__(self, system):
        unit = system.path(UNIT).read_text()
        told = dict(re.findall(r"^(\w+)=(.*)$", unit, re.M))
        name = "/run/ternmq-notify"
        system.path(name).unlink(missing_ok=True)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(system.path(name)))
        os.chmod(system.path(name), 0o777)
        self.socket.settimeout(PATIENCE_SECS)
        self.output = tempfile.TemporaryFile("w+")
        user = number(system, "/etc/passwd", told["User"]), number(system, "/etc/group", told["Group"])
        script = f"cd {told['WorkingDirectory']} && umask {told['UMask']} && exec {told['ExecStart']}"
        # What the unit allows is lowered to what this machine does.
        self.process = subprocess.Popen(
            system.inside_as(user, "sh", "-c", script), stdin=subprocess.DEVNULL,
            stdout=self.output, stderr=subprocess.STDOUT,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "NOTIFY_SOCKET": name})

    def hears(self):
        return self.socket.recv(4096).decode()

    def ready(self):
        try:
            told = self.hears()
            while not told.startswith("READY=1\n"):
                told = self.hears()
            return told
        except TimeoutError:
            raise Wrong(f"it did not get ready\n{self.said()}") from None

    def said(self):
        self.output.seek(0)
        return self.output.read()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        check(self.process.wait(PATIENCE_SECS) == 0, "it did not end in order", self.said())


def number(system, table, name):
    """The number of a user or group."""
    lines = (line.split(":") for line in system.path(table).read_text().splitlines())
    return next(fields[2] for fields in lines if fields[0] == name)


def base(work, suite):
    """The root of a minimal system; made once."""
    place = work / "roots" / suite
    if (place / "made").exists():
        return place / "root"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    command = ["debootstrap", "--variant=minbase", "--include=systemd,adduser,debconf,procps"]
    script = pathlib.Path("/usr/share/debootstrap/scripts") / suite
    arguments = [suite, place / "root"]
    if not script.exists():
        # All suites of Ubuntu are made alike.
        mirror = pathlib.Path(script.with_name("gutsy")).read_text()
        mirror = re.search(r"default_mirror (http://archive\S+)", mirror).group(1)
        arguments += [mirror, script.with_name("gutsy")]
    keys = "debian-archive" if suite == "bookworm" else "ubuntu-archive"
    if not pathlib.Path(f"/usr/share/keyrings/{keys}-keyring.gpg").exists():
        command.append("--no-check-gpg")
    done = subprocess.run([*command, *map(str, arguments)], stdout=subprocess.PIPE, text=True,
                          stderr=subprocess.STDOUT)
    check(done.returncode == 0, f"{suite} cannot be had", done.stdout[-2000:])
    (place / "made").touch()
    return place / "root"


def newer(deb, place):
    """The same package as a later version of itself."""
    folder = place / "newer"
    subprocess.run(["dpkg-deb", "-R", deb, folder], check=True)
    control = folder / "DEBIAN" / "control"
    text = control.read_text()
    control.write_text(re.sub(r"^Version: (.*)$", r"Version: \1+next", text, flags=re.M))
    to = place / "ternmq_next_amd64.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-b", folder, to], check=True,
                   stdout=subprocess.DEVNULL)
    return to


def install(system, deb, **env):
    for old in system.path("/tmp").glob("ternmq_*.deb"):
        old.unlink()
    shutil.copy(deb, system.path("/tmp"))
    return system.run("sh", "-c", "cd /tmp && exec apt install -y ./ternmq_*.deb", **env)


def call(system, *arguments):
    """One call of the API from inside the network; the answer as JSON."""
    command = system.network(sys.executable, __file__, "--call", json.dumps(arguments))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    check(done.returncode == 0, f"call {arguments}", done.stdout + done.stderr)
    return json.loads(done.stdout)


def ask(method, path, token=None, body=None):
    """Prints status and answer of a call; runs in the system's network."""
    request = urllib.request.Request(f"http://127.0.0.1:18083/api/v5{path}", method=method)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    data = None
    if body is not None:
        data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, data, timeout=20) as answer:
            status, text = answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        status, text = refused.code, refused.read().decode()
    print(json.dumps([status, json.loads(text) if text.strip().startswith(("{", "[")) else text]))


def sign_in(system, password):
    status, answer = call(system, "POST", "/login", None,
                          {"username": "admin", "password": password})
    check(status == 200, "admin cannot sign in", answer)
    return answer["token"]


def manual(system):
    """Completions that bash takes, and man pages of every command in both languages."""
    script = ". /usr/share/bash-completion/completions/ternmq && complete -p ternmq"
    check("_ternmq" in system.run("bash", "-c", script), "bash does not complete")
    for shell in ("zsh/vendor-completions/_ternmq", "fish/vendor_completions.d/ternmq.fish"):
        check(system.path(f"/usr/share/{shell}").exists(), f"no {shell}")
    pages, chinese = (sorted(path.name for path in system.path(folder).glob("ternmq*.1.gz"))
                      for folder in ("/usr/share/man/man1", "/usr/share/man/zh_CN/man1"))
    check("ternmq-bench-latency.1.gz" in pages and pages == chinese, "the man pages", f"{pages}\n{chinese}")
    page = gzip.decompress(system.path("/usr/share/man/zh_CN/man1/ternmq-pub.1.gz").read_bytes())
    check("主题" in page.decode() and ".TH TERNMQ" in page.decode(), "the Chinese page", page.decode())


def taken_port(system):
    """The service says who has the port, and two things to do about it."""
    code = SQUATTER.format(id=STRANGER)
    squatter = subprocess.Popen(system.network(sys.executable, "-c", code), text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        check(squatter.stdout.readline() == "there\n", "the port is not taken")
        service = Service(system)
        check(service.process.wait(PATIENCE_SECS) != 0, "it started all the same")
        said = service.said()
        line = next((line for line in said.splitlines() if line.startswith("ternmq: port 1883")), "")
        for word in (f"used by {squatter.pid} python", "stop it", "bind = 1884"):
            check(word in line, f"no {word!r}", said)
    finally:
        squatter.stdin.close()
        squatter.wait()
    return line


def tutorial(system, work):
    """The tutorial's scripts, on both generations of paho-mqtt."""
    sys.path.insert(0, str(ROOT / "tests" / "clients"))
    import matrix
    for name, requirement in matrix.PAHO.items():
        python = matrix.paho(work.parent / "clients", name, requirement)
        script = ROOT / "tests" / "clients" / "tutorial.py"
        done = subprocess.run(system.network(python, script, "127.0.0.1", "1883"),
                              capture_output=True, text=True, timeout=120)
        told = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
        for feature in matrix.TUTORIAL:
            check(told.get(feature) == "ok", f"{feature} on {name}", done.stdout + done.stderr)


def kept(system, password):
    """What was there before an upgrade: the password, and the retained message."""
    token = sign_in(system, password)
    status, answer = call(system, "GET", "/mqtt/retainer/message/kept", token)
    check(status == 200 and answer["payload"] == "c3RpbGw=", "the retained message", answer)


def purge_asks(system):
    """A person is asked, and answers yes."""
    parent, child = pty.openpty()
    process = subprocess.Popen(system.inside("dpkg", "--purge", "ternmq"), stdin=child, stdout=child,
                               stderr=child, start_new_session=True,
                               env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
                                    "TERM": "dumb", "DEBIAN_FRONTEND": "teletype"})
    os.close(child)
    said, deadline = "", time.monotonic() + PATIENCE_SECS
    answered = False
    while time.monotonic() < deadline:
        if not select.select([parent], [], [], 0.2)[0]:
            if process.poll() is not None:
                break
            continue
        try:
            said += os.read(parent, 4096).decode(errors="replace")
        except OSError:
            break
        if not answered and re.search(r"Delete the data of TernMQ\?.*(\[yes/no\]|\(y/n\))", said, re.S):
            os.write(parent, b"yes\n")
            answered = True
    check(process.wait(PATIENCE_SECS) == 0, "purge failed", said)
    check(answered, "purge did not ask", said)


def booted(root, deb, next_deb, tell):
    """The same package where systemd runs: a taken port, reload, upgrade, watchdog, stop, removal."""
    shutil.copy(deb, root / "srv" / "ternmq.deb")
    shutil.copy(next_deb, root / "srv" / "newer.deb")
    (root / "srv" / "steps").write_text(BOOTED)
    system = root / "etc" / "systemd" / "system"
    (system / "steps.service").write_text(
        "[Unit]\nAfter=basic.target\n[Service]\nType=oneshot\nTimeoutStartSec=300\n"
        "Environment=DEBIAN_FRONTEND=noninteractive\n"
        "ExecStart=/bin/sh -c 'sh /srv/steps > /srv/told 2>&1; systemctl poweroff --force'\n")
    wants = system / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / "steps.service").symlink_to("../steps.service")
    command = ["systemd-nspawn", "--quiet", "--directory", root, "--private-network", "--boot",
               "--register=no", "--keep-unit", "--console=pipe", "--machine=ternmq-root"]
    env = dict(os.environ, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY="0" if cgroups() == "old" else "1")
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=400)
    told = root / "srv" / "told"
    check(told.exists(), "systemd did not get there", done.stdout[-2000:])
    text = told.read_text()
    parts = dict(part.split("\n", 1) for part in text.split("== ")[1:])
    check("end" in parts, "not all of it was done", text)
    for part, words in {
        "install": ["does not run", "port 1883 is used by", "squatter.service", "bind = 1884",
                    ":18083", "installed", "StatusText=port 1883"],
        "verify": ["verified"],
        "free": ["ActiveState=active", "StatusText=http://", " mqtts://", " wss://"],
        "reload": ["not reloaded", "\nactive"],
        "upgrade": ["sign in as before", "restarted\nactive\nretained: still"],
        "watchdog": ["SubState=running", "atchdog timeout"],
        "stop": ["Result=success"],
        "again": ["unlinked", "again enabled active\nretained: still", "disabled disabled inactive"],
        "purge": ["is kept", "purged\nunlinked"],
    }.items():
        for word in words:
            check(word in parts[part], f"booted, {part}: no {word!r}", text)
    version, *said = parts["verify"].splitlines()
    # A setting that is unknown there protects nothing; anything else that is may stop the service.
    strange = [line for line in said if "Unknown lvalue" in line or "Unknown key" in line]
    faults = [line for line in said if "ternmq" in line and line not in strange]
    check(not faults, "the unit", text)
    tell(f"booted: unit verified by {version}" + "".join(f"\n    {line}" for line in strange))
    line = next(line for line in parts["install"].splitlines() if "port 1883" in line)
    tell(f"booted, port taken: {line}")
    line = next(line for line in parts["free"].splitlines() if line.startswith("StatusText="))
    tell(f"booted: {line}")
    tell("booted: comes when the port is free, reloads, is upgraded while it runs, is restarted by the "
         "watchdog, stops in order, starts after a removal and a new installation, stays disabled")


def cgroups():
    """Which kind of control groups this machine has."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", "/sys/fs/cgroup"], capture_output=True, text=True)
    return "new" if kind.stdout.strip() == "cgroup2fs" else "old"


def go_through(suite, deb, work, tell):
    with tempfile.TemporaryDirectory(prefix="ternmq-root-", dir=work) as place:
        place = pathlib.Path(place)
        next_deb = newer(deb, place)
        system = System(base(work, suite), place)
        try:
            steps(system, deb, next_deb, work, tell)
        finally:
            system.close()
        again = place / "booted"
        subprocess.run(["cp", "-a", base(work, suite), again], check=True)
        booted(again, deb, next_deb, tell)


def steps(system, deb, next_deb, work, tell):
    said = install(system, deb)
    for word in ("http://", ":18083", "admin", "public"):
        check(word in said, f"the installation does not say {word!r}", said)
    tell("installed: " + next(line for line in said.splitlines() if ":18083" in line))
    user = system.run("getent", "passwd", "ternmq").strip()
    tell(f"user: {user}")
    data = system.run("stat", "-c", "%a %U %G", "/var/lib/ternmq").strip()
    check(data == "700 ternmq ternmq", "the data's folder", data)
    settings = system.run("stat", "-c", "%a %U %G", SETTINGS).strip()
    check(settings == "640 root ternmq", "the settings", settings)
    for profile in ("/usr/lib/firewalld/services/ternmq.xml", "/etc/ufw/applications.d/ternmq"):
        check(system.path(profile).exists(), f"no {profile}")
    manual(system)
    tell("man pages and completions are there")

    version = system.run("systemd-analyze", "--version").splitlines()[0]
    if int(version.split()[1]) >= 252:
        said = system.run("systemd-analyze", "security", "--offline=true", "--threshold=30", UNIT)
        tell(said.strip().splitlines()[-1].strip("→ "))

    tell("port taken: " + taken_port(system))
    service = Service(system)
    tell("started: " + service.ready().replace("\n", " "))
    pid = service.process.pid
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    check(re.search(r"^NoNewPrivs:\t1$", status, re.M), "it has privileges", status)
    token = sign_in(system, "public")
    for path in ("/nodes", "/stats", "/clients?limit=1", "/listeners", "/attention"):
        status, answer = call(system, "GET", path, token)
        check(status == 200, f"GET {path}: {status}", answer)
    tutorial(system, work)
    tell("API and tutorial pass")
    system.run("ternmq", "pub", "-h", "127.0.0.1", "-t", "kept", "-m", "still", "-r", "-q", "1")
    status, answer = call(system, "POST", "/users/admin/change_pwd", token,
                          {"old_pwd": "public", "new_pwd": PASSWORD})
    check(status in (200, 204), "the password", answer)

    with system.path(SETTINGS).open("a") as settings:
        settings.write("# mine\n")
    service.end()
    said = install(system, next_deb, LC_ALL="zh_CN.UTF-8")
    check("控制台" in said, "it does not say it in Chinese", said)
    check(system.path(SETTINGS).read_text().endswith("# mine\n"), "the settings were replaced")
    check("+next" in system.run("dpkg-query", "-W", "ternmq"), "no upgrade")
    service = Service(system)
    service.ready()
    kept(system, PASSWORD)
    service.end()
    tell("upgrade keeps retained messages, users and settings")

    system.run("apt-get", "remove", "-y", "ternmq")
    check(not system.path("/usr/bin/ternmq").exists(), "the program is still there")
    check(system.path("/var/lib/ternmq/store").is_dir(), "removing took the data")
    install(system, deb)
    service = Service(system)
    service.ready()
    kept(system, PASSWORD)
    service.end()
    tell("removing keeps the data, and a new installation has it")
    said = system.run("dpkg", "--purge", "ternmq")
    check("is kept" in said and system.path("/var/lib/ternmq/store").is_dir(),
          "purging without anybody to ask took the data", said)
    check(not system.path("/etc/ternmq").exists(), "purging left the settings")
    install(system, deb)
    purge_asks(system)
    check(not system.path("/var/lib/ternmq").exists(), "the data is still there")
    said = system.run("getent", "passwd", "ternmq", good=False)
    check(said == "", "the user is still there", said)
    tell("purging asks, and deletes after a yes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deb", type=pathlib.Path)
    parser.add_argument("--suite", action="append", choices=SUITES)
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "target" / "package")
    parser.add_argument("--call", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.call:
        return ask(*json.loads(args.call))
    if not args.deb:
        parser.error("--deb names the package")
    work = args.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    failed = 0
    for suite in args.suite or SUITES:
        print(f"== {SUITES[suite]} ({suite})", flush=True)
        try:
            go_through(suite, args.deb.resolve(), work, lambda line: print(f"  {line}", flush=True))
        except Wrong as why:
            failed += 1
            print(f"  FAILED: {why}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
