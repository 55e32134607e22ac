//! Showing something again and again in the same place: what `--watch`, `top` and `dashboard` do.
//!
//! Where there is no terminal each picture simply follows the one before. [`Screen`] reads keys one
//! by one, and gives the terminal back as it was, also after an error.

use std::io::{self, Read, Write};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::sync::mpsc;

use crate::error::Result;
use crate::output::{self, terminal};

/// Keys that may wait to be handled; more are dropped.
const MAX_KEYS: usize = 64;

/// Draws `text` from the top of the screen, and nothing below it.
pub(crate) fn repaint(text: &str) {
    if !terminal::is_interactive() {
        output::show(text);
        return;
    }
    // Each line clears what it does not cover, so that nothing flickers.
    let mut picture = String::with_capacity(text.len() + 256);
    picture.push_str("\x1b[H");
    for line in output::harmless(text).lines() {
        picture.push_str(line);
        picture.push_str("\x1b[K\r\n");
    }
    picture.push_str("\x1b[J");
    output::print(picture.as_bytes());
}

/// A screen of its own, with the cursor hidden and keys read as they are pressed. Ctrl-C is a key as
/// well (3), so that nobody ends the tool before the terminal is given back, which dropping this does.
pub(crate) struct Screen {
    before: Option<Termios>,
    keys: mpsc::Receiver<u8>,
}

impl Screen {
    /// Takes the terminal over, if there is one.
    pub(crate) fn open() -> Result<Self> {
        let (sender, keys) = mpsc::channel(MAX_KEYS);
        let mut before = None;
        if terminal::is_interactive() && terminal::can_ask() {
            let stdin = io::stdin();
            let shown = tcgetattr(&stdin)?;
            let mut raw = shown.clone();
            raw.make_raw();
            tcsetattr(&stdin, OptionalActions::Now, &raw)?;
            before = Some(shown);
            output::print(b"\x1b[?1049h\x1b[?25l\x1b[2J");
            // Ends with the process: a blocking read cannot be taken back.
            std::thread::spawn(move || read_keys(&sender));
        }
        Ok(Screen { before, keys })
    }

    /// The next key; never without a terminal.
    pub(crate) async fn key(&mut self) -> u8 {
        match self.keys.recv().await {
            Some(key) => key,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
            let mut stdout = io::stdout().lock();
            let _ = stdout.write_all(b"\x1b[?25h\x1b[?1049l");
            let _ = stdout.flush();
        }
    }
}

fn read_keys(sender: &mpsc::Sender<u8>) {
    let mut key = [0];
    while io::stdin().lock().read_exact(&mut key).is_ok() {
        if let [key] = key
            && matches!(
                sender.try_send(key),
                Err(mpsc::error::TrySendError::Closed(_))
            )
        {
            return;
        }
    }
}
