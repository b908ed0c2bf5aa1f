//! `mkimage`: makes an OCI layout from folders, so that the tests and benchmarks have images without
//! a container engine.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use kedge_benchmarks::layout::Compression;
use kedge_benchmarks::pack::{Recipe, Source, write_image};
use serde_json::{Map, Value, json};

const USAGE: &str = "usage: mkimage OUT_DIR (--layer DIR | --diff LOWER_DIR UPPER_DIR)… \
[--zstd | --plain] [--env NAME=VALUE]… [--cmd WORD]… [--expose PORT/PROTO]… [--user NAME] \
[--label NAME=VALUE]… [--created RFC3339]";

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let folder = PathBuf::from(arguments.next().context(USAGE)?);
    let recipe = parse(&mut arguments)?;
    let digest = write_image(&folder, &recipe)?;
    writeln!(io::stdout(), "{digest}")?;
    Ok(())
}

fn parse(arguments: &mut dyn Iterator<Item = String>) -> Result<Recipe> {
    let mut recipe = Recipe {
        layers: Vec::new(),
        compression: Compression::Gzip,
        config: Value::Null,
        created: "1970-01-01T00:00:00Z".to_owned(),
    };
    let (mut environment, mut command) = (Vec::new(), Vec::new());
    let (mut ports, mut labels, mut user) = (Map::new(), Map::new(), None);
    while let Some(option) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{option} needs a value"));
        match option.as_str() {
            "--layer" => recipe.layers.push(Source::Whole(value()?.into())),
            "--diff" => {
                recipe.layers.push(Source::Difference(value()?.into(), value()?.into()));
            }
            "--zstd" => recipe.compression = Compression::Zstd,
            "--plain" => recipe.compression = Compression::Plain,
            "--env" => environment.push(value()?),
            "--cmd" => command.push(value()?),
            "--expose" => drop(ports.insert(value()?, json!({}))),
            "--user" => user = Some(value()?),
            "--label" => {
                let label = value()?;
                let (name, text) = label.split_once('=').context("a label is NAME=VALUE")?;
                labels.insert(name.to_owned(), text.into());
            }
            "--created" => recipe.created = value()?,
            _ => bail!("unknown option {option}\n{USAGE}"),
        }
    }
    if recipe.layers.is_empty() {
        bail!("an image needs a layer\n{USAGE}");
    }
    recipe.config = json!({
        "Env": environment, "Cmd": command, "ExposedPorts": ports, "Labels": labels,
        "User": user.unwrap_or_default(),
    });
    Ok(recipe)
}
