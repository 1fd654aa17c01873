//! Scripts that make shells complete commands, options, and values that are known.

use std::fmt::Write as _;

use super::{Choice, Entry};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
    Pwsh,
}

impl Shell {
    pub(crate) const ALL: [(&str, Self); 4] = [
        ("bash", Self::Bash),
        ("zsh", Self::Zsh),
        ("fish", Self::Fish),
        ("powershell", Self::Pwsh),
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|(known, _)| *known == name);
        found.map(|(_, shell)| shell)
    }
}

pub(super) fn script(program: &Entry, shell: Shell) -> String {
    match shell {
        Shell::Bash => bash(program),
        Shell::Zsh => zsh(program),
        Shell::Fish => fish(program),
        Shell::Pwsh => powershell(program),
    }
}

fn last_word(entry: &Entry) -> &str {
    entry.words.rsplit(' ').next().unwrap_or(&entry.words)
}

/// In single quotes of sh.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Lines of a `case` that go from a command to one below it.
fn steps(program: &Entry) -> String {
    let mut lines = String::new();
    for entry in program.walk().into_iter().skip(1) {
        let words = quoted(&entry.words);
        let _ = writeln!(lines, "            {words}) at={words} ;;");
    }
    lines
}

/// `command option` as the pattern of a `case`, for the options that `wanted` picks.
fn pattern(entry: &Entry, choice: &Choice) -> String {
    let names = choice
        .names
        .iter()
        .map(|name| quoted(&format!("{} {name}", entry.words)));
    names.collect::<Vec<_>>().join("|")
}

fn bash(program: &Entry) -> String {
    let (mut words, mut values, mut paths, mut others) =
        (String::new(), String::new(), Vec::new(), Vec::new());
    for entry in program.walk() {
        let below = entry.below.iter().map(last_word);
        let names = entry
            .choices
            .iter()
            .flat_map(|c| c.names.iter().map(String::as_str));
        let all: Vec<&str> = below.chain(names).collect();
        let _ = writeln!(
            words,
            "        {}) words={} ;;",
            quoted(&entry.words),
            quoted(&all.join(" "))
        );
        for choice in entry.choices.iter().filter(|choice| choice.value.is_some()) {
            let pattern = pattern(entry, choice);
            if choice.is_path() {
                paths.push(pattern);
            } else if choice.values().is_empty() {
                others.push(pattern);
            } else {
                let list = quoted(&choice.values().join(" "));
                let _ = writeln!(values, "        {pattern}) words={list} ;;");
            }
        }
    }
    format!(
        "# bash completion of ternmq: ternmq completions bash > /etc/bash_completion.d/ternmq\n\
         _ternmq() {{\n    \
         local at=ternmq word words= current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}\n    \
         for word in \"${{COMP_WORDS[@]:1:COMP_CWORD-1}}\"; do\n        \
         case \"$at $word\" in\n{steps}        esac\n    done\n    \
         COMPREPLY=()\n    \
         case \"$at $before\" in\n        \
         {paths}) return ;;\n        \
         {others}) compopt +o default 2>/dev/null; return ;;\n\
         {values}    esac\n    \
         [ -n \"$words\" ] || case \"$at\" in\n{words}    esac\n    \
         mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n\
         }}\n\
         complete -o default -F _ternmq ternmq\n",
        steps = steps(program),
        paths = paths.join("|"),
        others = others.join("|"),
    )
}

fn zsh(program: &Entry) -> String {
    // A colon ends the name in `_describe`.
    let item = |name: &str, about: &str| {
        let about = about.replace('\n', " ");
        quoted(&format!("{}:{about}", name.replace(':', "\\:")))
    };
    let (mut commands, mut options, mut values, mut paths, mut others) = (
        String::new(),
        String::new(),
        String::new(),
        Vec::new(),
        Vec::new(),
    );
    for entry in program.walk() {
        let below: Vec<String> = entry
            .below
            .iter()
            .map(|b| item(last_word(b), &b.about))
            .collect();
        let words = quoted(&entry.words);
        if !below.is_empty() {
            let _ = writeln!(
                commands,
                "        {words}) commands=({}) ;;",
                below.join(" ")
            );
        }
        let all = entry.choices.iter();
        let names: Vec<String> = all
            .flat_map(|choice| choice.names.iter().map(|name| item(name, &choice.help)))
            .collect();
        let _ = writeln!(options, "        {words}) options=({}) ;;", names.join(" "));
        for choice in entry.choices.iter().filter(|choice| choice.value.is_some()) {
            let pattern = pattern(entry, choice);
            if choice.is_path() {
                paths.push(pattern);
            } else if choice.values().is_empty() {
                others.push(pattern);
            } else {
                let list = choice.values().into_iter().map(quoted).collect::<Vec<_>>();
                let _ = writeln!(
                    values,
                    "        {pattern}) compadd -- {}; return ;;",
                    list.join(" ")
                );
            }
        }
    }
    format!(
        "#compdef ternmq\n\
         # zsh completion of ternmq: ternmq completions zsh > \"${{fpath[1]}}/_ternmq\"\n\
         _ternmq() {{\n    \
         local at=ternmq word\n    local -a commands options\n    \
         for word in \"${{(@)words[2,CURRENT-1]}}\"; do\n        \
         case \"$at $word\" in\n{steps}        esac\n    done\n    \
         case \"$at ${{words[CURRENT-1]}}\" in\n        \
         {paths}) _files; return ;;\n        {others}) return ;;\n{values}    esac\n    \
         case \"$at\" in\n{commands}    esac\n    \
         case \"$at\" in\n{options}    esac\n    \
         (( $#commands )) && _describe command commands\n    \
         _describe -o option options\n\
         }}\n\
         if [ \"$funcstack[1]\" = _ternmq ]; then _ternmq \"$@\"; else compdef _ternmq ternmq; fi\n",
        steps = steps(program),
        paths = paths.join("|"),
        others = others.join("|"),
    )
}

/// In single quotes of fish, which knows two escapes.
fn fish_quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('\'', "\\'");
    format!("'{}'", text.replace('\n', " "))
}

fn fish(program: &Entry) -> String {
    let mut script = String::from(
        "# fish completion of ternmq: ternmq completions fish > ~/.config/fish/completions/ternmq.fish\n\
         function __ternmq_at\n    set -l at ternmq\n    for word in (commandline -opc)[2..]\n        \
         switch \"$at $word\"\n",
    );
    for entry in program.walk().into_iter().skip(1) {
        let words = fish_quoted(&entry.words);
        let _ = writeln!(
            script,
            "            case {words}\n                set at {words}"
        );
    }
    script += "        end\n    end\n    test \"$at\" = \"$argv[1]\"\nend\n";
    for entry in program.walk() {
        let at = fish_quoted(&format!("__ternmq_at {}", quoted(&entry.words)));
        for below in &entry.below {
            let (name, about) = (fish_quoted(last_word(below)), fish_quoted(&below.about));
            let _ = writeln!(script, "complete -c ternmq -n {at} -f -a {name} -d {about}");
        }
        for choice in &entry.choices {
            let mut line = format!("complete -c ternmq -n {at}");
            for name in &choice.names {
                line += &match name.strip_prefix("--") {
                    Some(long) => format!(" -l {long}"),
                    None if name.chars().count() == 2 => format!(" -s {}", &name[1..]),
                    None => format!(" -o {}", &name[1..]),
                };
            }
            let values = choice.values();
            if choice.is_path() {
                line += " -r";
            } else if !values.is_empty() {
                line += &format!(" -x -a {}", fish_quoted(&values.join(" ")));
            } else if choice.value.is_some() {
                line += " -x";
            } else {
                line += " -f";
            }
            let _ = writeln!(script, "{line} -d {}", fish_quoted(&choice.help));
        }
    }
    script
}

/// In single quotes of PowerShell.
fn power_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''").replace('\n', " "))
}

fn powershell(program: &Entry) -> String {
    let mut table = String::new();
    for entry in program.walk() {
        let _ = writeln!(table, "        {} = @(", power_quoted(&entry.words));
        for below in &entry.below {
            let (name, about) = (power_quoted(last_word(below)), power_quoted(&below.about));
            let _ = writeln!(table, "            @({name}, {about}, '')");
        }
        for choice in &entry.choices {
            let values = choice.values().join(" ");
            for name in &choice.names {
                let (name, help) = (power_quoted(name), power_quoted(&choice.help));
                let _ = writeln!(
                    table,
                    "            @({name}, {help}, {})",
                    power_quoted(&values)
                );
            }
        }
        table += "        )\n";
    }
    format!(
        "# PowerShell completion of ternmq: ternmq completions powershell >> $PROFILE\n\
         Register-ArgumentCompleter -Native -CommandName ternmq -ScriptBlock {{\n    \
         param($current, $line, $cursor)\n    \
         $commands = @{{\n{table}    }}\n    \
         $at = 'ternmq'\n    $before = ''\n    \
         foreach ($element in $line.CommandElements | Select-Object -Skip 1) {{\n        \
         if ($element.Extent.EndOffset -ge $cursor) {{ break }}\n        \
         $before = $element.ToString()\n        \
         if ($commands.ContainsKey(\"$at $before\")) {{ $at = \"$at $before\" }}\n    }}\n    \
         $values = $commands[$at] | Where-Object {{ $_[0] -ceq $before }} | ForEach-Object {{ $_[2] }}\n    \
         if ($values) {{\n        \
         $values.Split(' ') | Where-Object {{ $_ -like \"$current*\" }} | ForEach-Object {{ $_ }}\n        \
         return\n    }}\n    \
         $commands[$at] | Where-Object {{ $_[0] -clike \"$current*\" }} | ForEach-Object {{\n        \
         [System.Management.Automation.CompletionResult]::new($_[0], $_[0], 'ParameterValue', $_[1])\n    }}\n\
         }}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::program;
    use super::*;

    #[test]
    fn every_script_has_every_command_and_option() {
        for locale in ["C", "zh_CN.UTF-8"] {
            let (program, _) = program(locale);
            for (name, shell) in Shell::ALL {
                let script = script(&program, shell);
                for entry in program.walk() {
                    assert!(script.contains(&entry.words), "{name}: {}", entry.words);
                    for option in entry.choices.iter().flat_map(|choice| &choice.names) {
                        let bare = option.trim_start_matches('-');
                        assert!(script.contains(bare), "{name}: {option}");
                    }
                }
            }
        }
    }

    /// bash itself is asked, where there is one.
    #[test]
    fn bash_completes() {
        let (program, _) = program("C");
        let ask = |typed: &[&str]| {
            let words: Vec<String> = typed.iter().map(|word| quoted(word)).collect();
            let ask = format!(
                "{}\nCOMP_WORDS=({})\nCOMP_CWORD={}\n_ternmq\necho \"${{COMPREPLY[@]}}\"\n",
                script(&program, Shell::Bash),
                words.join(" "),
                typed.len() - 1
            );
            let done = std::process::Command::new("bash")
                .args(["-c", &ask])
                .output()
                .ok()?;
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(done.status.success() && said.is_empty(), "{said}");
            Some(String::from_utf8(done.stdout).unwrap().trim().to_owned())
        };
        for (typed, wanted) in [
            (&["ternmq", "be"][..], "bench"),
            (&["ternmq", "bench", "la"], "latency"),
            (
                &["ternmq", "bench", "latency", "--connect-r"],
                "--connect-rate",
            ),
            (&["ternmq", "pub", "-q", ""], "0 1 2"),
            (&["ternmq", "pub", "-h", "x", "--cafi"], "--cafile"),
            (&["ternmq", "pub", "--cafile", "x"], ""),
            (&["ternmq", "store", "ch"], "check"),
        ] {
            match ask(typed) {
                Some(found) => assert_eq!(found, wanted, "{typed:?}"),
                None => return,
            }
        }
    }
}
