//! The life of the process: start, signals, end.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use cognate_config::Options;
use cognate_config::flags::Flags;
use cognate_process::notify::Notifier;
use cognate_process::signals::{ProcessSignal, Signals};
use cognate_process::{LogOptions, LogTarget, Logger, error, fatal, info, warn};
use cognate_server::Server;

use crate::files::Files;
use crate::memory;
use crate::options::{fail, resolve};

/// How long the last log lines may take to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What SIGQUIT exits with.
const ABORTED: u8 = 2;

/// Runs a server until it stops.
pub(crate) fn run(flags: &Flags) -> ExitCode {
    let resolved = match resolve(flags) {
        Ok(resolved) => resolved,
        Err(problem) => return fail(&problem),
    };
    for warning in &resolved.warnings {
        eprintln!("{warning}");
    }
    raise_file_limit();
    let log = match Logger::open(log_options(&resolved.options)) {
        Ok(log) => log,
        Err(problem) => return fail(&problem.to_string()),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(problem) => return fail(&format!("cannot start: {problem}")),
    };
    let code = runtime.block_on(serve(flags, resolved.options, &log));
    log.flush(LAST_LINES);
    // Threads that still compute a password hash are not waited for.
    runtime.shutdown_background();
    code
}

async fn serve(flags: &Flags, options: Options, log: &Logger) -> ExitCode {
    let mut signals = match Signals::install() {
        Ok(signals) => signals,
        Err(problem) => return fail(&format!("cannot handle signals: {problem}")),
    };
    let arguments = std::env::args_os()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let builder = Server::builder()
        .options(options)
        .logger(log.clone())
        .command_line(arguments);
    let server = match builder.start().await {
        Ok(server) => server,
        Err(problem) => {
            fatal!(log, "{problem}");
            return ExitCode::FAILURE;
        }
    };
    let files = match Files::write(&server.options(), &server) {
        Ok(files) => files,
        Err(problem) => {
            fatal!(log, "{problem}");
            return ExitCode::FAILURE;
        }
    };
    let mut process = Process {
        flags,
        server,
        files,
        notifier: notifier(log),
    };
    memory::give_back();
    let _ = process.notifier.ready();
    let mut reloads = process.server.reload_requests();
    loop {
        tokio::select! {
            () = process.server.stopped() => break,
            Some(request) = reloads.recv() => request.answer(process.reload()),
            signal = signals.next() => {
                info!(log, "Trapped \"{}\" signal", signal.description());
                if signal == ProcessSignal::Abort {
                    return ExitCode::from(ABORTED);
                }
                process.handle_signal(signal).await;
            }
        }
    }
    let _ = process.notifier.stopping();
    process.files.remove();
    ExitCode::SUCCESS
}

struct Process<'a> {
    flags: &'a Flags,
    server: Server,
    files: Files,
    notifier: Notifier,
}

impl Process<'_> {
    async fn handle_signal(&mut self, signal: ProcessSignal) {
        match signal {
            ProcessSignal::Quit => self.server.shutdown().await,
            // Lame duck mode ends by itself; hurrying it would break its promise to clients.
            ProcessSignal::Term if self.server.is_lame_duck() => {}
            ProcessSignal::Term => self.server.shutdown().await,
            ProcessSignal::LameDuck => self.server.enter_lame_duck(),
            ProcessSignal::Reopen => self.server.logger().reopen(),
            ProcessSignal::Reload => {
                // What failed is in the log.
                let _ = self.reload();
            }
            ProcessSignal::Abort => {}
        }
    }

    /// Reads the configuration again; either all of it takes effect or nothing does.
    fn reload(&mut self) -> Result<(), String> {
        let log = self.server.logger().clone();
        let _ = self.notifier.reloading();
        let result = self.try_reload(&log);
        match &result {
            Ok(()) => {
                let options = self.server.options();
                let digest = options.config_digest.as_deref().unwrap_or("");
                info!(log, "Reloaded server configuration ({digest})");
            }
            Err(problem) => error!(log, "Failed to reload server configuration: {problem}"),
        }
        let _ = self.notifier.ready();
        result
    }

    fn try_reload(&mut self, log: &Logger) -> Result<(), String> {
        if self.flags.config.is_none() {
            return Err(
                "can only reload config when a file is provided using -c or --config".into(),
            );
        }
        let resolved = resolve(self.flags)?;
        for warning in &resolved.warnings {
            warn!(log, "{}", warning.headline());
        }
        let old = self.server.options();
        let before = log.options();
        log.reconfigure(log_options(&resolved.options))
            .map_err(|problem| problem.to_string())?;
        if let Err(problem) = self.server.reload(resolved.options) {
            // What worked a moment ago works again; if not, the log itself says so.
            let _ = log.reconfigure(before);
            return Err(problem.to_string());
        }
        self.files
            .update(&old, &self.server.options(), &self.server);
        drop(old);
        memory::give_back();
        Ok(())
    }
}

fn notifier(log: &Logger) -> Notifier {
    Notifier::from_env().unwrap_or_else(|problem| {
        warn!(log, "Cannot tell the service manager: {problem}");
        Notifier::default()
    })
}

/// How the options want the log.
fn log_options(options: &Options) -> LogOptions {
    let max_files = usize::try_from(options.log_max_num).unwrap_or(usize::MAX);
    let file = options.log_file.as_ref().filter(|file| !file.is_empty());
    LogOptions {
        target: LogTarget::select(
            file.map(|file| (Path::new(file.as_str()), options.log_size_limit, max_files)),
            options.remote_syslog.as_deref(),
            options.syslog,
        ),
        debug: options.debug,
        trace: options.trace,
        trace_verbose: options.trace_verbose,
        time: options.logtime,
        utc: options.logtime_utc,
        colors: true,
    }
}

/// Takes as many open files as the system allows: each connection is one.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // Where that is not allowed, the server works with what it has.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    );
}
