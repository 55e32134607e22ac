//! The text form of scenes: reading it, and writing it back after a recording.
//!
//! Invariant: what is read and written back unchanged is the same text, line by line.

/// A file of cases.
pub(super) struct File {
    /// What stands before the first case.
    head: String,
    /// The cases in order.
    pub(super) cases: Vec<Case>,
}

/// One scene.
pub(super) struct Case {
    /// What the case shows.
    pub(super) name: String,
    /// Configurations by name; the first one has none and starts the server.
    pub(super) configs: Vec<(String, String)>,
    /// What happens.
    pub(super) body: Body,
}

/// What happens in a case.
pub(super) enum Body {
    /// Steps and answers.
    Script(Vec<Line>),
    /// The server does not start, and says this.
    Refused(Vec<String>),
}

/// A line of a script.
#[derive(Clone)]
pub(super) enum Line {
    /// A comment or an empty line.
    Note(String),
    /// `who> text`
    Send { who: String, text: String },
    /// `who< text`, or `who<~ text` where the order does not matter.
    Expect {
        who: String,
        text: String,
        any_order: bool,
    },
}

impl Line {
    /// Whether the line may come in any order with its neighbours.
    pub(super) fn any_order(&self) -> bool {
        matches!(
            self,
            Self::Expect {
                any_order: true,
                ..
            }
        )
    }

    /// The text of an expectation of `name` whose order does not matter.
    pub(super) fn unordered(&self, name: &str) -> Option<&str> {
        match self {
            Self::Expect {
                who,
                text,
                any_order: true,
            } if who == name => Some(text),
            _ => None,
        }
    }
}

impl Case {
    /// Whether somebody has written down what is received.
    pub(super) fn has_answers(&self) -> bool {
        match &self.body {
            Body::Script(lines) => lines.iter().any(|line| matches!(line, Line::Expect { .. })),
            Body::Refused(lines) => !lines.is_empty(),
        }
    }
}

/// Where the lines being read belong.
enum Part {
    Head,
    Config,
    Script,
    Refused,
}

/// Reads a file. Lines that fit nowhere are panics, as the caller is a test.
pub(super) fn parse(text: &str) -> File {
    let mut file = File {
        head: String::new(),
        cases: Vec::new(),
    };
    let mut part = Part::Head;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            file.cases.push(Case {
                name: name.to_owned(),
                configs: Vec::new(),
                body: Body::Script(Vec::new()),
            });
            part = Part::Head;
            continue;
        }
        let Some(case) = file.cases.last_mut() else {
            file.head += line;
            file.head.push('\n');
            continue;
        };
        if let Some(title) = line.strip_prefix("-- ") {
            part = open(case, title);
            continue;
        }
        match (&part, &mut case.body) {
            (Part::Config, _) => {
                let (_, config) = case.configs.last_mut().expect("opened by its title");
                *config += line;
                config.push('\n');
            }
            (Part::Script, Body::Script(lines)) => lines.push(parse_line(line)),
            (Part::Refused, Body::Refused(lines)) if !line.is_empty() => {
                lines.push(line.to_owned());
            }
            _ => assert!(line.is_empty(), "belongs nowhere: {line}"),
        }
    }
    file
}

fn open(case: &mut Case, title: &str) -> Part {
    match title.split_once(' ').unwrap_or((title, "")) {
        ("config", name) => {
            case.configs.push((name.to_owned(), String::new()));
            Part::Config
        }
        ("script", _) => Part::Script,
        ("refused", _) => {
            case.body = Body::Refused(Vec::new());
            Part::Refused
        }
        _ => panic!("no part of a case is called {title}"),
    }
}

fn parse_line(line: &str) -> Line {
    if line.is_empty() || line.starts_with('#') {
        return Line::Note(line.to_owned());
    }
    let (head, text) = line.split_once(' ').unwrap_or((line, ""));
    let text = text.to_owned();
    if let Some(who) = head.strip_suffix('>') {
        let who = who.to_owned();
        return Line::Send { who, text };
    }
    let any_order = head.ends_with("<~");
    let who = head.strip_suffix("<~").or_else(|| head.strip_suffix('<'));
    let who = who
        .unwrap_or_else(|| panic!("not a line of a script: {line}"))
        .to_owned();
    Line::Expect {
        who,
        text,
        any_order,
    }
}

/// One line of a script as it stands in the file.
pub(super) fn print_line(line: &Line) -> String {
    match line {
        Line::Note(text) => text.clone(),
        Line::Send { who, text } => format!("{who}> {text}"),
        Line::Expect {
            who,
            text,
            any_order,
        } => format!("{who}<{} {text}", if *any_order { "~" } else { "" }),
    }
}

/// The whole file.
pub(super) fn print(file: &File) -> String {
    let mut text = file.head.clone();
    for case in &file.cases {
        text += &format!("== {}\n", case.name);
        for (name, config) in &case.configs {
            text += format!("-- config {name}").trim_end();
            text += &format!("\n{config}");
        }
        match &case.body {
            Body::Script(lines) => {
                text += "-- script\n";
                text.extend(lines.iter().map(|line| print_line(line) + "\n"));
            }
            Body::Refused(lines) => {
                text += "-- refused\n";
                text.extend(lines.iter().map(|line| line.clone() + "\n"));
                text.push('\n');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_read_is_written_back() {
        let text = "# head\n\n== one\n-- config\na: 1\n-- config two\nb: 2\n-- script\n# why\na> SUB x 1\na< +OK\na<~ x\n\n== two\n-- config\nx\n-- refused\nno\n\n";
        assert_eq!(super::print(&super::parse(text)), text);
    }
}
