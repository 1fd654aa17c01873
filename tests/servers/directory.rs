//! A directory as the system has it: OpenLDAP's slapd, on ports and in a directory of its own, with and without
//! TLS, and with entries that a test gives it.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::database::{done, open_dir};
use super::{certify, free_port};
use crate::authenticate::run;
use crate::connection_log::until;

/// Below which all entries are.
pub(crate) const ROOT: &str = "dc=example,dc=com";
/// The password of `cn=ternmq`, who searches, and of `cn=secure`, who finds nothing without TLS.
pub(crate) const READER_PASSWORD: &str = "canary-8d";

/// A directory that ends with the test.
pub(crate) struct Directory {
    dir: PathBuf,
    port: u16,
    secure_port: u16,
    child: Option<Child>,
}

impl Directory {
    /// With these entries besides those that search.
    pub(crate) fn start(entries: &str) -> Self {
        let mut made = Self {
            dir: open_dir(),
            port: free_port(),
            secure_port: free_port(),
            child: None,
        };
        for name in ["own", "stranger"] {
            certify(&made.dir, name, "127.0.0.1");
        }
        fs::create_dir(made.path("data")).unwrap();
        fs::write(made.path("slapd.conf"), made.configuration()).unwrap();
        let mut all = format!("dn: {ROOT}\nobjectClass: domain\ndc: example\n\n");
        for name in ["ternmq", "secure"] {
            all += &format!(
                "dn: cn={name},{ROOT}\nobjectClass: organizationalRole\n\
                 objectClass: simpleSecurityObject\ncn: {name}\nuserPassword: {READER_PASSWORD}\n\n"
            );
        }
        fs::write(made.path("entries.ldif"), all + entries).unwrap();
        done(
            Command::new("/usr/sbin/slapadd")
                .arg("-f")
                .arg(made.path("slapd.conf"))
                .arg("-l")
                .arg(made.path("entries.ldif")),
        );
        made.go_on();
        made
    }

    /// It says yes to names without a password, which a server may.
    fn configuration(&self) -> String {
        let at = |name: &str| self.path(name).display().to_string();
        format!(
            "include /etc/ldap/schema/core.schema\n\
             include /etc/ldap/schema/cosine.schema\n\
             include /etc/ldap/schema/inetorgperson.schema\n\
             attributetype ( 2.25.2077.1 NAME 'isSuperuser' EQUALITY booleanMatch \
             SYNTAX 1.3.6.1.4.1.1466.115.121.1.7 SINGLE-VALUE )\n\
             objectclass ( 2.25.2077.2 NAME 'mqttUser' SUP top AUXILIARY MAY isSuperuser )\n\
             allow bind_anon_cred\n\
             modulepath /usr/lib/ldap\n\
             moduleload back_mdb\n\
             TLSCACertificateFile {own}\n\
             TLSCertificateFile {own}\n\
             TLSCertificateKeyFile {key}\n\
             database mdb\n\
             maxsize 16777216\n\
             suffix \"{ROOT}\"\n\
             directory {data}\n\
             access to * \
             by dn.exact=\"cn=ternmq,{ROOT}\" read \
             by dn.exact=\"cn=secure,{ROOT}\" ssf=128 read \
             by anonymous auth by * none\n",
            own = at("own.pem"),
            key = at("own.key"),
            data = at("data"),
        )
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where TLS begins with the connection.
    pub(crate) fn secure_address(&self) -> String {
        format!("127.0.0.1:{}", self.secure_port)
    }

    /// Starts it on what it kept, and waits until it answers.
    pub(crate) fn go_on(&mut self) {
        let log = fs::File::create(self.path("log")).unwrap();
        let urls = format!(
            "ldap://{}/ ldaps://{}/",
            self.address(),
            self.secure_address()
        );
        let child = Command::new("/usr/sbin/slapd")
            .args(["-d", "0", "-h", &urls, "-f"])
            .arg(self.path("slapd.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("it is installed: cargo xtask ci does that"));
        let is_there = || std::net::TcpStream::connect(self.address()).ok();
        until(is_there, "slapd listens");
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("it runs");
        run("kill", &[signal, &child.id().to_string()], b"");
    }

    /// It stands still, with its connections open, until it is resumed.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn resume(&self) {
        self.signal("-CONT");
    }

    /// Ends it as a fault would.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.dir);
    }
}
