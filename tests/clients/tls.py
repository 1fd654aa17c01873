"""Our tools against mosquitto with TLS: what works, and what is said when it does not.

    python3 tests/clients/tls.py --bin target/debug/ternmq

Needs mosquitto 2.0 and openssl. Prints a line for each case and `N passed, N failed`.
"""

import argparse
import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from certificates import Certificates
from tools import Recorder

PATIENCE = 30


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Mosquitto:
    """One listener each: TLS, TLS with WebSocket, TLS that wants a certificate, some bad ones, and none."""

    LISTENERS = {"plain": None, "tls": "server", "wss": "server", "wanted": "server", "old": "old",
                 "other": "other", "own": "own"}

    def __init__(self, folder, made):
        self.ports = {name: free_port() for name in self.LISTENERS}
        lines = ["allow_anonymous true", "log_type error", f"user {getpass.getuser()}"]
        for name, certificate in self.LISTENERS.items():
            lines.append(f"listener {self.ports[name]} 127.0.0.1")
            if certificate:
                lines += [f"certfile {made[certificate + '.pem']}", f"keyfile {made[certificate + '.key']}",
                          f"cafile {made['ca.pem']}"]
            if name == "wss":
                lines.append("protocol websockets")
            if name == "wanted":
                lines.append("require_certificate true")
        path = os.path.join(folder, "mosquitto.conf")
        with open(path, "w") as file:
            file.write("\n".join(lines) + "\n")
        self.process = subprocess.Popen([shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin"),
                                         "-c", path], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + PATIENCE
        for port in self.ports.values():
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    if time.monotonic() > deadline or self.process.poll() is not None:
                        self.stop()
                        sys.exit(f"mosquitto did not start: {self.process.stderr.read()}")

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)


class Run:
    def __init__(self, binary, folder):
        self.binary = os.path.abspath(binary)
        self.folder, self.counts = folder, {"passed": 0, "failed": 0}
        os.mkdir(os.path.join(folder, "tls"))
        self.made = Certificates(os.path.join(folder, "tls"))
        self.broker = Mosquitto(folder, self.made)
        # mosquitto cannot do without TLS 1.3; one in front of it can.
        older = Recorder(self.broker.ports["plain"], "tls1.2:server", folder)
        older.context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
        self.broker.ports["older"] = older.port

    def tool(self, args, locale="C"):
        env = {"PATH": os.environ["PATH"], "HOME": self.folder, "LC_ALL": locale,
               "SSL_CERT_FILE": self.made["ca.pem"], "SSL_CERT_DIR": "/nonexistent"}
        done = subprocess.run([self.binary, *args], capture_output=True, timeout=PATIENCE, env=env,
                              stdin=subprocess.DEVNULL)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def judge(self, name, good, found):
        self.counts["passed" if good else "failed"] += 1
        print(f"{'passed' if good else 'FAILED'} {name}", flush=True)
        if not good:
            print(f"    {found}", flush=True)

    def at(self, listener, host="localhost"):
        return ["-h", host, "-p", str(self.broker.ports[listener])]

    def goes_through(self):
        """A message of some size is kept by the broker and comes back the same."""
        ca = ["--cafile", self.made["ca.pem"]]
        own = ["--cert", self.made["client.pem"], "--key", self.made["client.key"]]
        large = os.path.join(self.folder, "large")
        with open(large, "wb") as file:
            file.write(b"0123456789abcdef" * 20000)
        for name, args in [
            ("TLS 1.2", [*self.at("older"), *ca, "--tls-version", "tlsv1.2"]),
            ("TLS 1.3", [*self.at("tls"), *ca, "--tls-version", "tlsv1.3", "-V", "5"]),
            ("an address", [*self.at("tls", "127.0.0.1"), *ca]),
            ("the broker's own certificate", [*self.at("own"), "--cafile", self.made["own.pem"]]),
            ("a certificate of ours", [*self.at("wanted"), *ca, *own]),
            ("WebSocket", [*self.at("wss"), *ca, "--ws"]),
            ("--protocol mqtts", [*self.at("tls"), "--protocol", "mqtts"]),
            ("--protocol wss", [*self.at("wss"), "--protocol", "wss"]),
        ]:
            sent = self.tool(["pub", *args, "-t", "tls/large", "-f", large, "-r", "-q", "1"])
            came = self.tool(["sub", *args, "-t", "tls/large", "-C", "1", "-N", "-W", "20"])
            with open(large) as file:
                good = sent == (0, "", "") and came == (0, file.read(), "")
            self.judge(name, good, f"{sent} {came[0], came[1][:60], came[2]}")
        urls = [f"mqtts://localhost:{self.broker.ports['tls']}/tls/url",
                f"wss://localhost:{self.broker.ports['wss']}/tls/url"]
        for url in urls:
            sent = self.tool(["pub", "-L", url, "-m", "by url", "-r", "-q", "2"])
            came = self.tool(["sub", "-L", url, "-C", "1", "-W", "20"])
            self.judge(url.split(":")[0] + "://", (sent[0], came) == (0, (0, "by url\n", "")), (sent, came))
        asked = self.tool(["rr", *self.at("tls"), *ca, "-t", "e", "-e", "e", "-m", "x", "-W", "20"])
        self.judge("rr", asked == (0, "x\n", ""), asked)
        args = ["bench", "latency", *self.at("tls"), *ca, "--clients", "3", "--rate", "300", "--duration",
                "1", "-q", "1"]
        measured = self.tool(args)
        self.judge("bench", measured[0] == 0 and "received      300" in measured[1], measured)

    def is_told(self):
        """Cause and remedy of what cannot be."""
        ca = ["--cafile", self.made["ca.pem"]]
        for name, args, *words in [
            ("unknown issuer", [*self.at("tls"), "--cafile", self.made["stranger.pem"]],
             "signed by nobody who is trusted", "--cafile"),
            ("wrong name", [*self.at("other"), *ca], "for another name", "other.example", "--insecure"),
            ("expired", [*self.at("old"), *ca], "has expired", "clock"),
            ("no TLS there", [*self.at("plain"), *ca], "8883"),
            ("a certificate is wanted", [*self.at("wanted"), *ca], "wants a certificate", "--cert"),
            ("of another CA", [*self.at("wanted"), *ca, "--cert", self.made["own.pem"], "--key",
                               self.made["own.key"]], "does not accept our certificate", "--cert"),
            ("no common version", [*self.at("older"), *ca, "--tls-version", "tlsv1.3"], "--tls-version"),
            ("no common cipher", [*self.at("older"), *ca, "--ciphers",
                                  "ECDHE-RSA-AES256-GCM-SHA384"], "--ciphers"),
            ("an encrypted key", [*self.at("tls"), *ca, "--cert", self.made["client.pem"], "--key",
                                  self.made["locked.key"]], "is encrypted", "openssl pkey"),
            ("another key", [*self.at("tls"), *ca, "--cert", self.made["client.pem"], "--key",
                             self.made["own.key"]], "TLS: "),
            ("no certificate in it", [*self.at("tls"), "--cafile", self.made["ca.key"]],
             "has no certificate in it", "BEGIN CERTIFICATE"),
            ("a cipher that nobody has", [*self.at("tls"), *ca, "--ciphers", "RC4-MD5"], "RC4-MD5",
             "ECDHE-RSA-AES128-GCM-SHA256"),
            ("nobody to trust", [*self.at("tls"), "--insecure"], "--insecure", "--cafile"),
        ]:
            code, out, said = self.tool(["pub", *args, "-t", "a", "-m", "x", "-q", "1"])
            good = code != 0 and not out and said.count("\n") == 1 and all(w in said for w in words)
            self.judge(name, good, (code, out, said))

    def the_doctor(self):
        ca = ["--cafile", self.made["ca.pem"]]
        code, out, said = self.tool(["conn", *self.at("tls"), *ca])
        line = next((line for line in out.splitlines() if line.startswith("TLS")), "")
        self.judge("the doctor names TLS", code == 0 and "TLS 1.3" in line and " ms)" in line, (out, said))
        code, out, said = self.tool(["conn", *self.at("older"), *ca])
        self.judge("the doctor names TLS 1.2", code == 0 and "TLS 1.2" in out, (out, said))
        code, out, said = self.tool(["conn", *self.at("wss"), *ca, "--ws"])
        lines = [line.split()[0] for line in out.splitlines()]
        wanted = ["name", "TCP", "TLS", "WebSocket", "CONNACK", "SUBACK", "message"]
        self.judge("the doctor, step by step", (code, lines) == (0, wanted), (out, said))
        for name, args, word in [
            ("unknown issuer", [*self.at("tls"), "--cafile", self.made["stranger.pem"]], "--cafile"),
            ("plain port", [*self.at("plain"), *ca], "8883"),
            ("certificate wanted", [*self.at("wanted"), *ca], "--cert"),
        ]:
            code, out, _ = self.tool(["conn", *args])
            last = (out.splitlines() or [""])[-1]
            good = code == 1 and last.startswith("TLS") and "FAILED" in last and word in last
            self.judge(f"the doctor: {name}", good, (code, out))
        code, out, _ = self.tool(["conn", *self.at("old"), *ca], "zh_CN.UTF-8")
        self.judge("the doctor in Chinese", code == 1 and "失败" in out and "时钟" in out, (code, out))
        code, out, _ = self.tool(["conn", *self.at("tls")])
        self.judge("the doctor without TLS", code == 1 and "8883 has TLS" in out, (code, out))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ternmq-tls-") as folder:
        run = Run(args.bin, folder)
        try:
            run.goes_through()
            run.is_told()
            run.the_doctor()
        finally:
            run.broker.stop()
    print(", ".join(f"{count} {outcome}" for outcome, count in run.counts.items()))
    sys.exit(run.counts["failed"] > 0)


if __name__ == "__main__":
    main()
