//! `kedgectl system`.

use crate::Session;
use crate::exit::{Exit, Failure};
use crate::output::list::{Column, ListOutput, column, wide};
use crate::output::table::{Cell, Tone};
use crate::text;
use clap::{Args, Subcommand};
use kedge_api::system::{Service, ServiceVersion, SystemStatusResponse};
use std::time::{Duration, Instant};

/// Pause between two looks at a node that starts.
const POLL: Duration = Duration::from_millis(500);

/// See how a node is
#[derive(Debug, Subcommand)]
pub(crate) enum SystemCommand {
    /// Show versions and whether the services work
    Status(ListOutput),
    /// List the services of all nodes
    Services(ListOutput),
    /// Wait until a node is ready for requests
    Wait(WaitArgs),
}

#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Longest wait: 90s, 30m, 1h
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = text::duration)]
    timeout: Duration,
}

/// Runs the area.
pub(crate) async fn run(session: &Session, command: SystemCommand) -> Result<Exit, Failure> {
    let client = session.client()?;
    match command {
        SystemCommand::Status(output) => {
            let version: ServiceVersion = client.get(&["v2", "version"], Vec::new()).await?;
            let status: SystemStatusResponse = client.get(&["v2", "system"], Vec::new()).await?;
            session.ui.note(&format!(
                "{} version {}, API {}, store schema {}",
                client.place(),
                version.service.version,
                version.api.version,
                version.db.schema_version
            ));
            output.list(session.out, "ServiceList", &status.service_states, &columns())?;
            let down = status.service_states.iter().filter(|service| !service.status).count();
            if down > 0 {
                let what = format!("{} down", text::count(down, "service"));
                return Err(Failure::new(Exit::Unavailable, what).code("service_down"));
            }
        }
        SystemCommand::Services(output) => {
            let rows: Vec<Service> = client.get(&["v2", "system", "services"], Vec::new()).await?;
            output.list(session.out, "ServiceList", &rows, &columns())?;
        }
        SystemCommand::Wait(args) => {
            let begun = Instant::now();
            let stage = session.ui.stage(&format!("Waiting for {}", client.place()));
            while let Err(failure) = client.bytes(&["readyz"]).await {
                let left = args.timeout.saturating_sub(begun.elapsed());
                if left.is_zero() {
                    let what = format!("{} is not ready: {}", client.place(), failure.message);
                    return Err(Failure::new(Exit::TimedOut, what).code("timeout"));
                }
                stage.detail(&failure.message);
                tokio::time::sleep(POLL.min(left)).await;
            }
            stage.done("Ready", &client.place());
        }
    }
    Ok(Exit::Ok)
}

fn columns() -> [Column<Service>; 6] {
    [
        column("SERVICE", |row| row.service_name.as_str().into()),
        column("NODE", |row| row.host_id.as_str().into()),
        column("STATUS", |row| {
            if row.status { Cell::toned("up", Tone::Good) } else { Cell::toned("down", Tone::Bad) }
        }),
        column("VERSION", |row| row.version.as_str().into()),
        column("MESSAGE", |row| row.status_message.as_str().into()),
        wide("ADDRESS", |row| row.base_url.as_str().into()),
    ]
}
