//! Files of users, as EMQX takes them: CSV with a header, or a JSON list; or a password file of
//! mosquitto's. Read as a whole: one bad line and nobody of it is taken.

use serde::Deserialize;

use super::{file, hash::Hashed};

/// Users in one file.
const RECRUITS_MAX: usize = 100_000;
/// As MQTT bounds its texts.
const NAME_BYTES_MAX: usize = 65_535;

/// How a file is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Csv,
    Json,
}

/// How a user's password stands there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Secrecy {
    Plain,
    Hash,
    /// The file says so itself.
    AsNamed,
}

/// A user as the file has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Recruit {
    pub(crate) name: String,
    pub(crate) superuser: bool,
    pub(crate) secret: Secret,
}

/// What the file says of the password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    Plain(String),
    Hash {
        hash: String,
        salt: String,
    },
    /// Already read.
    Kept(Hashed),
}

/// What is wrong with a file, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct RollError(String);

/// A user in JSON.
#[derive(Deserialize)]
struct Row {
    user_id: String,
    password: Option<String>,
    password_hash: Option<String>,
    #[serde(default)]
    salt: String,
    #[serde(default)]
    is_superuser: bool,
}

impl Format {
    /// By a file's name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let ending = name.rsplit_once('.')?.1;
        match ending.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// The users in a file.
    ///
    /// # Errors
    /// If a line is none.
    pub fn read(self, bytes: &[u8], secrecy: Secrecy) -> Result<Vec<Recruit>, RollError> {
        let rows = match self {
            Self::Csv => rows_of_csv(bytes, secrecy)?,
            Self::Json => serde_json::from_slice(bytes).map_err(|error| {
                // Its words may have a password in them.
                let (line, column) = (error.line(), error.column());
                RollError(format!(
                    "line {line}, column {column}: this is no list of users"
                ))
            })?,
        };
        if rows.len() > RECRUITS_MAX {
            let text = format!("there are more than {RECRUITS_MAX} users; divide the file");
            return Err(RollError(text));
        }
        let numbered = rows.into_iter().zip(1..);
        numbered
            .map(|(row, number)| {
                row.recruit(secrecy)
                    .map_err(|text| RollError(format!("user {number}: {text}")))
            })
            .collect()
    }
}

impl Row {
    fn recruit(self, secrecy: Secrecy) -> Result<Recruit, &'static str> {
        check_name(&self.user_id)?;
        let secret = match secrecy {
            Secrecy::Plain => Secret::Plain(self.password.ok_or("password is missing")?),
            Secrecy::AsNamed if self.password_hash.is_none() => Secret::Plain(
                self.password
                    .ok_or("password_hash or password is missing")?,
            ),
            Secrecy::Hash | Secrecy::AsNamed => Secret::Hash {
                hash: self.password_hash.ok_or("password_hash is missing")?,
                salt: self.salt,
            },
        };
        Ok(Recruit {
            name: self.user_id,
            superuser: self.is_superuser,
            secret,
        })
    }
}

impl Recruit {
    /// Everybody in a password file of mosquitto's, where there may be nobody.
    ///
    /// # Errors
    /// If a line is no user.
    pub(super) fn of_mosquitto(text: &str) -> Result<Vec<Self>, RollError> {
        let mut recruits: Vec<Self> = Vec::new();
        for row in file::rows(text) {
            let (number, name, kept) = row.map_err(RollError)?;
            let wrong = |what: &str| RollError(format!("line {number}: {what}"));
            check_name(name).map_err(wrong)?;
            if recruits.len() == RECRUITS_MAX {
                let text = format!("there are more than {RECRUITS_MAX} users; divide the file");
                return Err(RollError(text));
            }
            recruits.push(Self {
                name: name.to_owned(),
                superuser: false,
                secret: Secret::Kept(kept),
            });
        }
        Ok(recruits)
    }

    /// Somebody who is made by hand.
    ///
    /// # Errors
    /// If no client could ever have this name.
    pub(crate) fn plain(
        name: &str,
        password: String,
        superuser: bool,
    ) -> Result<Self, &'static str> {
        check_name(name)?;
        Ok(Self {
            name: name.to_owned(),
            superuser,
            secret: Secret::Plain(password),
        })
    }
}

/// # Errors
/// If no client could ever have this name.
fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.contains('\0') {
        return Err("user_id is empty, or has U+0000 in it");
    }
    if name.len() > NAME_BYTES_MAX {
        return Err("user_id is longer than any name of MQTT");
    }
    Ok(())
}

fn rows_of_csv(bytes: &[u8], secrecy: Secrecy) -> Result<Vec<Row>, RollError> {
    let bad = |line: usize, what: &str| RollError(format!("line {line}: {what}"));
    let text = std::str::from_utf8(bytes).map_err(|_| RollError("it is not UTF-8".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut records = records(text)
        .map_err(|(line, what)| bad(line, what))?
        .into_iter();
    let (_, header) = records.next().ok_or_else(|| bad(1, "there is no header"))?;
    let column = |name: &str| header.iter().position(|field| field.trim() == name);
    let is_hash = match secrecy {
        Secrecy::Plain => false,
        Secrecy::Hash => true,
        Secrecy::AsNamed => column("password_hash").is_some(),
    };
    let secret = if is_hash { "password_hash" } else { "password" };
    let (Some(user_id), Some(password)) = (column("user_id"), column(secret)) else {
        return Err(bad(1, &format!("the header needs user_id and {secret}")));
    };
    let (salt, superuser) = (column("salt"), column("is_superuser"));
    records
        .map(|(line, mut fields)| {
            if fields.len() != header.len() {
                return Err(bad(line, "it has not as many fields as the header"));
            }
            let is_superuser = match superuser.map(|at| fields[at].trim()) {
                Some("true") => true,
                None | Some("false" | "") => false,
                Some(_) => return Err(bad(line, "is_superuser is true or false")),
            };
            let mut take = |at: usize| std::mem::take(&mut fields[at]);
            let (name, shown) = (take(user_id), Some(take(password)));
            let salt = salt.map(&mut take).unwrap_or_default();
            let (password, password_hash) = if is_hash {
                (None, shown)
            } else {
                (shown, None)
            };
            Ok(Row {
                user_id: name,
                password,
                password_hash,
                salt,
                is_superuser,
            })
        })
        .collect()
}

/// A line's number and its fields.
type Line = (usize, Vec<String>);

/// RFC 4180: fields between commas, in quotes where they hold commas, quotes or ends of lines.
fn records(text: &str) -> Result<Vec<Line>, (usize, &'static str)> {
    let mut found: Vec<Line> = Vec::new();
    let (mut line, mut began) = (1, 1);
    let (mut fields, mut field) = (Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        line += usize::from(c == '\n');
        match c {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => field.push('"'),
            '"' if quoted => {
                quoted = false;
                if chars
                    .peek()
                    .is_some_and(|c| !matches!(c, ',' | '\r' | '\n'))
                {
                    return Err((line, "something stands behind the closing quote"));
                }
            }
            c if quoted => field.push(c),
            '"' if field.is_empty() => quoted = true,
            ',' => fields.push(std::mem::take(&mut field)),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                fields.push(std::mem::take(&mut field));
                found.push((began, std::mem::take(&mut fields)));
                began = line;
            }
            c => field.push(c),
        }
    }
    if quoted {
        return Err((began, "a quote is not closed"));
    }
    if !field.is_empty() || !fields.is_empty() {
        fields.push(field);
        found.push((began, fields));
    }
    // Blank lines are none.
    found.retain(|(_, fields)| fields.iter().any(|field| !field.trim().is_empty()));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(recruits: &[Recruit]) -> Vec<(&str, &str, &str, bool)> {
        let each = recruits.iter().map(|recruit| {
            let (secret, salt) = match &recruit.secret {
                Secret::Plain(password) => (&**password, ""),
                Secret::Hash { hash, salt } => (&**hash, &**salt),
                Secret::Kept(_) => panic!("only mosquitto's are kept"),
            };
            (&*recruit.name, secret, salt, recruit.superuser)
        });
        each.collect()
    }

    #[test]
    fn files_as_emqx_has_them() {
        let csv = "user_id,password_hash,salt,is_superuser\r\n\
                   anna,ab01,salt1,true\r\n\
                   \"b,\"\"ert\n\",cd02,,false\n\n";
        let found = Format::Csv.read(csv.as_bytes(), Secrecy::Hash).unwrap();
        let due = [
            ("anna", "ab01", "salt1", true),
            ("b,\"ert\n", "cd02", "", false),
        ];
        assert_eq!(told(&found), due);
        let csv = "\u{feff}password,user_id\np1,anna\n p 2 ,中";
        let found = Format::Csv.read(csv.as_bytes(), Secrecy::Plain).unwrap();
        assert_eq!(
            told(&found),
            [("anna", "p1", "", false), ("中", " p 2 ", "", false)]
        );
        let json = br#"[{"user_id":"anna","password":"p1","is_superuser":true}]"#;
        let found = Format::Json.read(json, Secrecy::Plain).unwrap();
        assert_eq!(told(&found), [("anna", "p1", "", true)]);
        let json = br#"[{"user_id":"anna","password_hash":"ab","salt":"s"}]"#;
        let found = Format::Json.read(json, Secrecy::Hash).unwrap();
        assert_eq!(told(&found), [("anna", "ab", "s", false)]);
        for text in ["user_id,password\nanna,x", "user_id,password_hash\nanna,x"] {
            let found = Format::Csv.read(text.as_bytes(), Secrecy::AsNamed).unwrap();
            let is_plain = matches!(found[0].secret, Secret::Plain(_));
            assert_eq!(is_plain, !text.contains("hash"));
        }
    }

    /// Errors name a place, and never what stands there.
    #[test]
    fn bad_files() {
        for (text, due) in [
            ("", "line 1"),
            ("user,password\na,b", "line 1"),
            ("user_id,password\na", "line 2"),
            ("user_id,password\na,secret-word,c", "line 2"),
            ("user_id,password\n,secret-word", "user 1"),
            ("user_id,password\na,\"secret-word", "line 2"),
            ("user_id,password\na,\"secret-word\"x", "line 2"),
            ("user_id,password,is_superuser\na,secret-word,yes", "line 2"),
        ] {
            let Err(error) = Format::Csv.read(text.as_bytes(), Secrecy::Plain) else {
                panic!("{text:?} was taken");
            };
            let error = error.to_string();
            assert!(
                error.contains(due) && !error.contains("secret-word"),
                "{error}"
            );
        }
        for text in ["", "{}", "[{}]", "[{\"user_id\":\"a\"}]", "[1]"] {
            assert!(
                Format::Json.read(text.as_bytes(), Secrecy::Plain).is_err(),
                "{text}"
            );
        }
        assert!(Format::Csv.read(b"\xff", Secrecy::Plain).is_err());
        assert_eq!(Format::of_name("a.b.CSV"), Some(Format::Csv));
        assert_eq!(Format::of_name("users.txt"), None);
    }

    /// A password file of mosquitto's, where there may be nobody; what is none is told with its line, and
    /// never with what stands there.
    #[test]
    fn users_of_mosquitto() {
        const HASH: &str = "$6$WWsj0670eleIyplU$TjcdA+MC2WhNAc/l3KEu5jf27Xaw1rK1xfsqE4l0OlxZKeuN1mMbbwhdNNG7WKOCzs0ZUyAeez3NC9EtUZ7/VA==";
        let read = |text: &str| Recruit::of_mosquitto(text);
        assert!(read("# nobody\n").is_ok_and(|recruits| recruits.is_empty()));
        let two = read(&format!("anna:{HASH}\n\nbert:{HASH}\r\n")).unwrap();
        let names: Vec<&str> = two.iter().map(|recruit| &*recruit.name).collect();
        assert_eq!(names, ["anna", "bert"]);
        assert!(matches!(&two[1].secret, Secret::Kept(kept) if kept.is(b"public")));
        let error = read(&format!("anna:{HASH}\nbert:secret-word"))
            .map(|_| ())
            .unwrap_err();
        let told = error.to_string();
        assert!(
            told.contains("line 2") && !told.contains("secret-word"),
            "{told}"
        );
    }
}
