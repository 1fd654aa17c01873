"""Certificates for tests of TLS, made by openssl: a CA and what it signed, and what is wrong with some."""

import os
import subprocess

SANS = "subjectAltName=DNS:localhost,IP:127.0.0.1"
OTHER = "subjectAltName=DNS:other.example"


def openssl(*args):
    done = subprocess.run(["openssl", *args], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"openssl {' '.join(args)}\n{done.stderr}")


class Certificates:
    """Files in a folder: `ca`, `server`, `other` (another name), `old` (expired), `client`, `locked` (a key
    with a passphrase), `own` (signed by itself), `stranger` (another CA); each `.pem` with its `.key`."""

    def __init__(self, folder):
        self.folder = folder
        self.authority("ca")
        self.authority("stranger")
        self.sign("server", SANS)
        self.sign("other", OTHER)
        self.sign("old", SANS, "20200101000000Z", "20200201000000Z")
        self.sign("client", "extendedKeyUsage=clientAuth")
        self.make("own", "/CN=localhost", "-addext", SANS)
        openssl("pkey", "-in", self["client.key"], "-aes256", "-passout", "pass:secret", "-out",
                self["locked.key"])
        os.mkdir(self["trusted"])
        with open(self["ca.pem"]) as source, open(self["trusted/ca.pem"], "w") as copy:
            copy.write(source.read())
        openssl("rehash", self["trusted"])

    def __getitem__(self, name):
        return os.path.join(self.folder, name)

    def make(self, name, subject, *more):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", self[f"{name}.key"], "-out", self[f"{name}.pem"], "-subj", subject, "-days",
                "30", *more)

    def authority(self, name):
        self.make(name, f"/CN=test {name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def sign(self, name, extension, *times):
        """By `ca`; with an RSA key, which is what most have."""
        openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", self[f"{name}.key"], "-out",
                self[f"{name}.csr"], "-subj", f"/CN={name}")
        with open(self["extension"], "w") as file:
            file.write(f"basicConstraints=CA:false\n{extension}\n")
        if not times:
            openssl("x509", "-req", "-in", self[f"{name}.csr"], "-CA", self["ca.pem"], "-CAkey",
                    self["ca.key"], "-CAcreateserial", "-out", self[f"{name}.pem"], "-days", "30",
                    "-extfile", self["extension"])
            return
        # Only `openssl ca` makes certificates of the past everywhere.
        for file, text in (("index", ""), ("serial", "77\n")):
            with open(self[file], "w") as out:
                out.write(text)
        with open(self["ca.conf"], "w") as file:
            file.write("[ca]\ndefault_ca=here\n[here]\ndatabase=%s\nserial=%s\nnew_certs_dir=%s\n"
                       "default_md=sha256\npolicy=any\nunique_subject=no\n[any]\ncommonName=supplied\n"
                       % (self["index"], self["serial"], self.folder))
        starts, ends = times
        openssl("ca", "-batch", "-config", self["ca.conf"], "-cert", self["ca.pem"], "-keyfile",
                self["ca.key"], "-in", self[f"{name}.csr"], "-out", self[f"{name}.pem"], "-notext",
                "-startdate", starts, "-enddate", ends, "-extfile", self["extension"])
