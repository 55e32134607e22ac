//! What only happens at a terminal: questions, progress bars, colours.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use cognate_conformance::wait;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use unicode_width::UnicodeWidthStr;

use crate::support::World;

/// A command at a terminal.
pub(crate) struct Terminal {
    child: Child,
    keyboard: File,
    screen: Receiver<Vec<u8>>,
    bytes: Vec<u8>,
    seen: String,
}

impl Terminal {
    /// A terminal of 100 columns.
    pub(crate) fn start(command: Command) -> Self {
        Self::sized(command, 100)
    }

    /// A terminal of so many columns.
    pub(crate) fn sized(mut command: Command, columns: u16) -> Self {
        let controller =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal can be made");
        grantpt(&controller).expect("it is ours");
        unlockpt(&controller).expect("it can be opened");
        let name = ptsname(&controller, Vec::new()).expect("it has a name");
        let name = name.to_str().expect("a path that is text").to_owned();
        let open = || {
            File::options()
                .read(true)
                .write(true)
                .open(&name)
                .expect("it can be opened")
        };
        let size = rustix::termios::Winsize {
            ws_row: 30,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(&controller, size).expect("a terminal has a size");
        command
            .stdin(Stdio::from(open()))
            .stdout(Stdio::from(open()))
            .stderr(Stdio::from(open()));
        let child = command.spawn().expect("nats can be run");
        drop(command);
        let keyboard = File::from(controller);
        let mut reader = keyboard.try_clone().expect("a file can be shared");
        let (sender, screen) = channel();
        // Ends when the other side of the terminal is closed.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count) = reader.read(&mut buffer) {
                if count == 0 || sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Terminal {
            child,
            keyboard,
            screen,
            bytes: Vec::new(),
            seen: String::new(),
        }
    }

    /// Waits until `text` was shown.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        wait::until(&format!("{text:?} on the terminal"), || {
            self.look();
            self.seen.contains(text).then_some(())
        });
    }

    /// Everything that was shown, once the command has ended.
    #[track_caller]
    pub(crate) fn everything(&mut self) -> &str {
        assert_eq!(self.end(), 0, "{}", self.seen);
        // The reader goes away when nobody has the other side any more.
        self.bytes.extend(self.screen.iter().flatten());
        self.look();
        &self.seen
    }

    /// Takes in what was shown since. What is read may end within a character.
    fn look(&mut self) {
        self.bytes.extend(self.screen.try_iter().flatten());
        self.seen = String::from_utf8_lossy(&self.bytes).into_owned();
    }

    pub(crate) fn answer(&mut self, line: &str) {
        self.keyboard
            .write_all(format!("{line}\n").as_bytes())
            .expect("a terminal takes a line");
    }

    /// Presses keys, without a line's end.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("a terminal takes keys");
    }

    /// Whether the terminal shows what is typed.
    pub(crate) fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.keyboard).expect("it is a terminal");
        modes.local_modes.contains(LocalModes::ECHO)
    }

    /// Presses Ctrl-C, as far as the command is concerned: this terminal controls no process group.
    pub(crate) fn interrupt(&mut self) {
        let pid = i32::try_from(self.child.id()).expect("a process id is small");
        let pid = rustix::process::Pid::from_raw(pid).expect("a process id is not 0");
        rustix::process::kill_process(pid, rustix::process::Signal::INT)
            .expect("a child can be signalled");
    }

    /// Waits for the end; the exit code.
    #[track_caller]
    pub(crate) fn end(&mut self) -> i32 {
        let status = wait::until("the end of nats", || {
            self.child.try_wait().expect("a child can be waited for")
        });
        self.look();
        status.code().unwrap_or(-1)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn destruction_is_asked_about() {
    let world = World::new();
    world.nats(&["kv", "add", "B"]).ok();
    let mut terminal = Terminal::start(world.command(&["kv", "del", "B"]));
    terminal.wait_for("? Delete bucket B and everything in it? [y/N]");
    terminal.answer("perhaps");
    terminal.wait_for("Please answer y or n.");
    terminal.answer("");
    assert_eq!(terminal.end(), 1);
    terminal.wait_for("stopped: nothing was changed");
    assert_eq!(world.nats(&["kv", "ls", "-n"]).ok().stdout, "B\n");
    let mut terminal = Terminal::start(world.command(&["kv", "del", "B"]));
    terminal.wait_for("[y/N]");
    terminal.answer("y");
    assert_eq!(terminal.end(), 0);
    assert_eq!(world.nats(&["kv", "ls", "-n"]).ok().stdout, "");
}

#[test]
fn a_context_is_chosen_by_number_or_name() {
    let world = World::new();
    for name in ["one", "two"] {
        world.nats(&["context", "add", name]).ok();
    }
    let mut terminal = Terminal::start(world.command(&["context", "select"]));
    terminal.wait_for("? Select a Context (one)");
    assert!(
        terminal.seen.contains("  1) one") && terminal.seen.contains("  2) two"),
        "{}",
        terminal.seen
    );
    terminal.answer("3");
    terminal.wait_for("\"3\" is none of the above");
    terminal.answer("2");
    assert_eq!(terminal.end(), 0);
    terminal.wait_for("NATS Configuration Context \"two\"");
}

#[test]
fn progress_is_drawn() {
    let world = World::new();
    let mut terminal = Terminal::start(world.command(&["bench", "pub", "a", "--msgs", "1000"]));
    terminal.wait_for("Core NATS publisher ██████████████████████████████ 100% 1,000 / 1,000");
    assert_eq!(terminal.end(), 0);
    world.nats(&["object", "add", "F"]).ok();
    let file = world.file("file", &[b'x'; 300_000]);
    for command in [
        &["object", "put", "F", &file, "--name", "copy"][..],
        &["object", "get", "F", "copy"],
    ] {
        let mut terminal = Terminal::start(world.command(command));
        terminal.wait_for("██████████████████████████████ 100%");
        assert_eq!(terminal.end(), 0);
    }
}

#[test]
fn tables_take_the_colour_that_is_wanted() {
    let world = World::new();
    world.nats(&["kv", "add", "B"]).ok();
    let mut terminal = Terminal::start(world.command(&["kv", "ls", "--colors", "red"]));
    terminal.wait_for("\x1b[31m╭");
    assert_eq!(terminal.end(), 0);
    let mut plain = world.command(&["kv", "ls", "--colors", "red"]);
    plain.env("NO_COLOR", "1");
    let mut terminal = Terminal::start(plain);
    terminal.wait_for("╰");
    assert!(!terminal.seen.contains("\x1b[31m"), "{}", terminal.seen);
}

#[test]
fn passwords_are_hidden_and_the_terminal_is_given_back() {
    let world = World::new();
    let mut terminal = Terminal::start(world.command(&["server", "passwd", "--cost", "4"]));
    for question in ["? Enter password ", "? Re-enter password "] {
        terminal.wait_for(question);
        assert!(!terminal.echoes());
        terminal.answer("correct horse battery staple");
    }
    assert_eq!(terminal.end(), 0);
    terminal.wait_for("$2a$04$");
    assert!(!terminal.seen.contains("horse"), "{}", terminal.seen);
    assert!(terminal.echoes());
    let mut terminal = Terminal::start(world.command(&["server", "passwd"]));
    terminal.wait_for("? Enter password ");
    terminal.press("half a passw\u{3}");
    assert_eq!(terminal.end(), 130);
    terminal.wait_for("interrupted");
    assert!(terminal.echoes());
}

#[test]
fn terminals_obey_nobody_but_the_tool() {
    let world = World::new();
    let hostile = "\u{1b}]0;title\u{7}\u{9b}2Jcleared";
    let add = ["stream", "add", "S", "--subjects", "s", "--defaults"];
    world
        .nats(&[&add[..], &["--description", hostile]].concat())
        .ok();
    world.nats(&["pub", "s", hostile, "-J"]).ok();
    for command in [
        &["stream", "info", "S"][..],
        &["stream", "ls"],
        &["stream", "info", "S", "--json"],
        &["stream", "get", "S", "1"],
        &["sub", "--stream", "S", "--all", "--terminate-at-end"],
        &["pub", hostile, "x"],
    ] {
        let mut terminal = Terminal::start(world.command(command));
        terminal.wait_for("2Jcleared");
        terminal.end();
        for obeyed in ["\u{1b}]", "\u{7}", "\u{9b}"] {
            assert!(
                !terminal.seen.contains(obeyed),
                "{command:?}: {:?}",
                terminal.seen
            );
        }
    }
    let piped = world.nats(&["stream", "get", "S", "1"]).ok().stdout;
    assert!(piped.contains(hostile), "{piped:?}");
    let mut terminal = Terminal::start(world.command(&[
        "sub",
        "--stream",
        "S",
        "--all",
        "--terminate-at-end",
        "--raw",
    ]));
    terminal.wait_for(hostile);
}

/// What a terminal of 80 columns shows of each table, none of its lines being wider.
#[test]
fn tables_fit_the_terminal() {
    let world = World::with_system();
    let name = "a-stream-with-a-long-name";
    let add = ["stream", "add", name, "--subjects", "s.>", "--defaults"];
    world.nats(&add).ok();
    let add = ["consumer", "add", name, "processing", "--pull"];
    world.nats(&[&add[..], &["--defaults"]].concat()).ok();
    world.nats(&["kv", "add", "CONFIG"]).ok();
    let value = "some value that is long enough to go on in another line of the terminal";
    world
        .nats(&["kv", "put", "CONFIG", "a.long.name.of.a.key", value])
        .ok();
    let _listener = world.spawn(&["sub", "a", "--connection-name", "Order Processing Service"]);
    world.wait_for_interest("a", 1);
    for (line, last) in [
        ("account report connections", "Subs"),
        ("account report statistics", "Slow"),
        ("stream ls --all", "Last"),
        ("stream report", "Replicas"),
        ("consumer ls a-stream-with-a-long-name", "Last"),
        ("consumer report a-stream-with-a-long-name", "Cluster"),
        ("kv ls", "Update"),
        ("kv ls CONFIG -v --display-value", "Value"),
        ("kv history CONFIG a.long.name.of.a.key", "Value"),
        ("server list", "RTT"),
        ("server report connections", "Subs"),
        ("server report accounts", "Subs"),
        ("server report jetstream", "Pending"),
        ("server report health", "Error"),
        ("server report routes", "Bytes"),
        ("server report leafnodes", "Spoke"),
        ("server report gateways", "Accounts"),
        ("server stream-check", "Status"),
        ("server consumer-check", "Status"),
        ("server watch servers --updates 1", ""),
        ("audit checks", ""),
        ("errors ls stream", "Go"),
    ] {
        let mut words: Vec<&str> = line.split(' ').collect();
        if words[0] == "server" {
            words.extend(["--user", "sys", "--password", "secret"]);
        }
        let mut command = world.command(&words);
        command.env("NO_COLOR", "1");
        let mut terminal = Terminal::sized(command, 80);
        let text = terminal.everything().replace('\r', "");
        assert!(text.contains(last), "{line}: {last} is not in\n{text}");
        for row in text.lines().filter(|row| row.contains(['│', '─'])) {
            let is_drawn = |c: char| !c.is_ascii() || c == ' ';
            let start = row.find(is_drawn).unwrap_or_default();
            let row = row[start..].trim_end_matches("\u{1b}[K");
            assert!(row.width() <= 80, "{line}:\n{text}");
        }
    }
}
