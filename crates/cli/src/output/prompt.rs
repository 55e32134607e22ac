//! Questions to the user: yes or no, a line with a default, a choice, a password.
//!
//! Questions go to standard error, so that results can be redirected. Where nobody can be asked a
//! question is an error that names the flag to use instead, never a silent default.

use std::io::{self, BufRead, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::terminal;
use crate::error::{Error, Result};

/// Bytes of a secret that is typed.
const MAX_SECRET_BYTES: usize = 64 * 1024;

/// Asks before something is destroyed. `force` answers for the user; `flag` is named to who cannot
/// be asked.
pub(crate) fn confirm(question: &str, force: bool) -> Result<bool> {
    if force {
        return Ok(true);
    }
    loop {
        let answer = line(&format!("{question} [y/N] "), "--force")?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => return Ok(true),
            "" | "n" | "no" => return Ok(false),
            _ => super::remark("Please answer y or n."),
        }
    }
}

/// Asks a question whose usual answer is known. `flag` answers without asking.
pub(crate) fn yes_or_no(question: &str, default: bool, flag: &str) -> Result<bool> {
    let shown = if default { "[Y/n]" } else { "[y/N]" };
    loop {
        let answer = line(&format!("{question} {shown} "), flag)?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => return Ok(true),
            "n" | "no" => return Ok(false),
            "" => return Ok(default),
            _ => super::remark("Please answer y or n."),
        }
    }
}

/// [`confirm`], with an error for "no", so that scripts see that nothing happened.
pub(crate) fn confirm_or_stop(question: &str, force: bool) -> Result<()> {
    if confirm(question, force)? {
        Ok(())
    } else {
        Err(Error::new("stopped: nothing was changed"))
    }
}

/// Asks for a line; an empty answer is the default. `flag` answers without asking.
pub(crate) fn ask(question: &str, default: &str, flag: &str) -> Result<String> {
    let shown = if default.is_empty() {
        format!("{question} ")
    } else {
        format!("{question} ({default}) ")
    };
    let answer = line(&shown, flag)?;
    let answer = answer.trim();
    Ok(if answer.is_empty() {
        default.to_owned()
    } else {
        answer.to_owned()
    })
}

/// Asks until `check` accepts the answer.
pub(crate) fn ask_valid<T>(
    question: &str,
    default: &str,
    flag: &str,
    check: impl Fn(&str) -> Result<T>,
) -> Result<T> {
    loop {
        match check(&ask(question, default, flag)?) {
            Ok(value) => return Ok(value),
            Err(error) => super::remark(&error.to_string()),
        }
    }
}

/// Lets the user choose one of `options`, by number or by name; the default has index `default`.
pub(crate) fn choose(
    question: &str,
    options: &[String],
    default: usize,
    flag: &str,
) -> Result<usize> {
    if options.is_empty() {
        return Err(Error::new("there is nothing to choose from"));
    }
    can_ask(flag)?;
    for (at, option) in options.iter().enumerate() {
        super::remark(&format!("  {:>3}) {option}", at + 1));
    }
    let preset = options.get(default).map_or("", String::as_str);
    ask_valid(question, preset, flag, |answer| {
        let by_name = options
            .iter()
            .position(|option| option.eq_ignore_ascii_case(answer));
        let by_number = answer
            .parse::<usize>()
            .ok()
            .and_then(|n| n.checked_sub(1))
            .filter(|n| *n < options.len());
        by_name
            .or(by_number)
            .ok_or_else(|| Error::new(format!("{answer:?} is none of the above")))
    })
}

/// The same with the option itself as the answer.
pub(crate) fn choose_name(
    question: &str,
    options: &[&str],
    default: usize,
    flag: &str,
) -> Result<String> {
    let mut options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
    let chosen = choose(question, &options, default, flag)?;
    Ok(options.swap_remove(chosen))
}

/// Names a flag to who cannot be asked, where there is one for all defaults as well.
pub(crate) fn or_defaults(flag: &str) -> String {
    format!("{flag}, or take all defaults with --defaults")
}

/// Asks for a secret without showing what is typed. Keys are read one by one and Ctrl-C is one of
/// them, so that the tool never ends while the terminal shows nothing.
pub(crate) fn password(question: &str, flag: &str) -> Result<String> {
    can_ask(flag)?;
    let hidden = Hidden::start()?;
    let mut stderr = io::stderr().lock();
    stderr.write_all(format!("? {question} ").as_bytes())?;
    stderr.flush()?;
    let typed = read_secret(&mut io::stdin().lock());
    drop(hidden);
    stderr.write_all(b"\n")?;
    typed
}

/// The terminal while it shows nothing; dropping this gives it back as it was.
struct Hidden {
    before: Termios,
}

impl Hidden {
    fn start() -> Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(io::stdin(), OptionalActions::Now, &hidden)?;
        Ok(Hidden { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // There is nobody to tell: the terminal may be gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// A line typed key by key, with the keys that correct it.
fn read_secret(keys: &mut impl Read) -> Result<String> {
    const CTRL_C: u8 = 3;
    const CTRL_D: u8 = 4;
    const BACKSPACE: u8 = 8;
    const CTRL_U: u8 = 21;
    const DELETE: u8 = 127;
    let mut typed = Vec::new();
    let mut key = [0];
    while typed.len() < MAX_SECRET_BYTES {
        keys.read_exact(&mut key)
            .map_err(|_| Error::new("stopped: no answer"))?;
        let [byte] = key;
        match byte {
            b'\r' | b'\n' => {
                return String::from_utf8(typed)
                    .map_err(|_| Error::new("what was typed is not UTF-8"));
            }
            CTRL_C => return Err(Error::new("interrupted").code(130)),
            CTRL_D if typed.is_empty() => return Err(Error::new("stopped: no answer")),
            CTRL_U => typed.clear(),
            BACKSPACE | DELETE => {
                // A letter may be several bytes, of which the first is no continuation.
                while typed.pop().is_some_and(|last| last & 0xc0 == 0x80) {}
            }
            byte => typed.push(byte),
        }
    }
    Err(Error::new("that is too long"))
}

fn can_ask(flag: &str) -> Result<()> {
    if terminal::can_ask() {
        return Ok(());
    }
    Err(Error::new("cannot ask without a terminal").hint(format!("Give the answer with {flag}.")))
}

fn line(question: &str, flag: &str) -> Result<String> {
    can_ask(flag)?;
    let mut stderr = io::stderr().lock();
    stderr.write_all(format!("? {}", super::clean::clean(question)).as_bytes())?;
    stderr.flush()?;
    let mut answer = String::new();
    if io::stdin().lock().read_line(&mut answer)? == 0 {
        return Err(Error::new("stopped: no answer"));
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_corrected_while_they_are_typed() {
        let check = |keys: &str, expected: Result<&str, i32>| {
            let typed = read_secret(&mut keys.as_bytes());
            let typed = typed.as_deref().map_err(Error::exit_code);
            assert_eq!(typed, expected, "{keys:?}");
        };
        check("abc\rrest", Ok("abc"));
        check("ab\u{7f}\u{8}\u{8}xyz\n", Ok("xyz"));
        check("a\u{fc}\u{7f}b\n", Ok("ab"));
        check("wrong\u{15}right\u{4}\n", Ok("right\u{4}"));
        check("half\u{3}", Err(130));
        check("\u{4}", Err(1));
        check("no end", Err(1));
    }
}
