//! What people see while they wait, and warnings: all of it on standard error.

use crate::output::table::plain;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ProgressMode {
    /// Bars on a terminal, plain elsewhere
    Auto,
    /// One line a stage
    Plain,
    /// One JSON object a line
    Json,
    /// Nothing
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Bars,
    Plain,
    Json,
    Nothing,
}

/// Standard error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ui {
    shown: Shown,
    /// With request ids and causes.
    pub(crate) verbose: bool,
    /// Whether a question may be asked: standard input and error are terminals.
    pub(crate) interactive: bool,
}

impl Ui {
    /// Decides how to show progress.
    pub(crate) fn new(mode: ProgressMode, quiet: bool, verbose: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let shown = match mode {
            _ if quiet => Shown::Nothing,
            ProgressMode::Auto if terminal => Shown::Bars,
            ProgressMode::Auto | ProgressMode::Plain => Shown::Plain,
            ProgressMode::Json => Shown::Json,
            ProgressMode::None => Shown::Nothing,
        };
        Self { shown, verbose, interactive: terminal && std::io::stdin().is_terminal() }
    }

    /// Something that went well but deserves a look. Shown even when progress is not.
    pub(crate) fn warn(self, text: &str) {
        match self.shown {
            Shown::Json => event(&json!({"event": "warning", "message": text})),
            Shown::Bars | Shown::Plain | Shown::Nothing => {
                let mark = owo_colors::OwoColorize::yellow(&"warning:").to_string();
                say(&format!("{mark} {}", plain(text)));
            }
        }
    }

    /// A remark; not shown with `--quiet`.
    pub(crate) fn note(self, text: &str) {
        match self.shown {
            Shown::Json => event(&json!({"event": "note", "message": text})),
            Shown::Bars | Shown::Plain => say(&plain(text)),
            Shown::Nothing => {}
        }
    }

    /// A stage that took no time.
    pub(crate) fn finished(self, what: &str, detail: &str) {
        let stage = Stage {
            shown: self.shown,
            bar: None,
            doing: String::new(),
            begun: Instant::now(),
            told_s: AtomicU64::new(0),
        };
        stage.done(what, detail);
    }

    /// Begins a stage.
    pub(crate) fn stage(self, doing: &str) -> Stage {
        let bar = (self.shown == Shown::Bars).then(|| {
            let bar = ProgressBar::new_spinner();
            bar.set_style(spinner());
            bar.set_message(doing.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if self.shown == Shown::Json {
            event(&json!({"event": "started", "stage": doing}));
        }
        Stage {
            shown: self.shown,
            bar,
            doing: doing.to_owned(),
            begun: Instant::now(),
            told_s: AtomicU64::new(0),
        }
    }

    /// Asks yes or no on a terminal; `None` when nobody can be asked.
    pub(crate) fn confirm(self, question: &str) -> Option<bool> {
        if !self.interactive {
            return None;
        }
        let mut stderr = std::io::stderr();
        write!(stderr, "{} [y/N] ", plain(question)).and_then(|()| stderr.flush()).ok()?;
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).ok()?;
        Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }
}

fn spinner() -> ProgressStyle {
    ProgressStyle::with_template(" {spinner} {wide_msg}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
}

fn transfer() -> ProgressStyle {
    ProgressStyle::with_template(
        " {spinner} {msg} [{bar:28}] {bytes}/{total_bytes} {bytes_per_sec}",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar())
    .progress_chars("=> ")
}

fn say(line: &str) {
    // A closed standard error is no reason to fail.
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

fn event(value: &serde_json::Value) {
    let _ = writeln!(std::io::stderr().lock(), "{value}");
}

/// A stage that is running. Dropping it without [`Stage::done`] leaves no line behind.
pub(crate) struct Stage {
    shown: Shown,
    bar: Option<ProgressBar>,
    doing: String,
    begun: Instant,
    told_s: AtomicU64,
}

impl Stage {
    /// Sets the number of bytes to come.
    pub(crate) fn total(&self, bytes: u64) {
        if let Some(bar) = self.bar.as_ref().filter(|_| bytes > 0) {
            bar.set_style(transfer());
            bar.set_length(bytes);
        }
    }

    /// Bytes so far.
    pub(crate) fn position(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
        }
        if self.shown == Shown::Json && self.is_due() {
            event(&json!({"event": "progress", "stage": self.doing, "bytes": bytes}));
        }
    }

    /// What is going on in detail.
    pub(crate) fn detail(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {}", self.doing, plain(text)));
        }
        if self.shown == Shown::Json && self.is_due() {
            event(&json!({"event": "progress", "stage": self.doing, "detail": text}));
        }
    }

    /// At most one event a second.
    fn is_due(&self) -> bool {
        let now = self.begun.elapsed().as_secs();
        self.told_s.fetch_max(now, Ordering::Relaxed) < now
    }

    /// Ends the stage with what came of it.
    pub(crate) fn done(self, what: &str, detail: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        match self.shown {
            Shown::Bars => {
                let mark = owo_colors::OwoColorize::green(&"✔").to_string();
                say(&format!(" {mark} {what:<27} {}", plain(detail)));
            }
            Shown::Plain => say(&format!("{what}: {}", plain(detail))),
            Shown::Json => {
                let ms = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                event(&json!({"event": "finished", "stage": what, "detail": detail, "ms": ms}));
            }
            Shown::Nothing => {}
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.as_ref().filter(|bar| !bar.is_finished()) {
            bar.finish_and_clear();
        }
    }
}
