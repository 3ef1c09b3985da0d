//! `blindmatch demo`.

mod folder;
mod report;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use blindmatch_feeds::{Column, FeedError, Options};
use blindmatch_indicator::Canonicaliser;
use blindmatch_node::clock;
use blindmatch_node::demo::{
    Consortium, Exchanged, Expected, PROVIDERS, Question, differences, generate,
};
use blindmatch_node::import::{ImportError, Report as Imported};
use blindmatch_node::membership::{Digest, Name};
use blindmatch_node::store::collection::SourceName;

use self::folder::Folder;
use self::report::Demonstrated;
use crate::args::Global;
use crate::args::demo::DemoArguments;
use crate::command_line::quoted;
use crate::error::{Error, Exit};
use crate::feed_report::{by_type, in_words};
use crate::input::Source;
use crate::output;
use crate::tables;

/// The same sets each time.
const SEED: u64 = 1;

/// A feed for a member.
struct Set {
    member: Name,
    file: PathBuf,
    options: Options,
}

/// Runs the demonstration; `exchange` lets the members exchange what they hold, and ask the one
/// question of which the answer is known.
pub(crate) fn run(
    arguments: &DemoArguments,
    global: &Global,
    exchange: impl FnOnce(
        &mut Consortium,
        Option<&Question>,
    ) -> Result<Exchanged, blindmatch_node::Error>,
) -> Result<Exit, Error> {
    let tell = |what: &str| {
        if !global.quiet {
            global.tell(what);
        }
    };
    let suffixes = tables::public_suffixes(arguments.tables.as_deref())?;
    let digest = Digest(*suffixes.sha256());
    let canonicaliser = Canonicaliser::new(suffixes);
    let members = members(&arguments.sets)?;
    let folder = Folder::make(arguments.dir.as_deref())?;
    let sets = if arguments.sets.is_empty() {
        generated(&canonicaliser, &folder.path().join("sets"))?
    } else {
        given(&arguments.sets)
    };

    let mut consortium = Consortium::found(folder.path(), &members, digest)?;
    for (name, member) in &consortium.members {
        let address = member.node.card()?.member().address.to_string();
        tell(&format!("{name}: a node, listening on {address}"));
    }
    tell("enrolled, each under the policy:");
    let policy = consortium.policy().lines();
    let policy: Vec<_> = policy.map(|line| format!("  {line}")).collect();
    tell(&policy.join("\n"));
    take(&mut consortium, &canonicaliser, &sets, global, &tell)?;

    tell("comparing the sets in the clear, to know what has to be found");
    let expected = Expected::of_all(&consortium, &canonicaliser)?;
    let question = expected.question();
    tell("exchanging");
    let mut exchanged = exchange(&mut consortium, question.as_ref())?;
    exchanged.steps.push(consortium.verify_ledgers()?);

    let differences = differences(&expected, &exchanged.pairs);
    let kept = arguments.dir.as_deref();
    let demonstrated = Demonstrated::of(&exchanged, &differences, kept);
    output::show("demo", &demonstrated, global)?;
    for difference in &differences {
        global.tell(format_args!("error: {difference}"));
    }
    folder.remove()?;
    if let Some(kept) = kept {
        let home = kept.join("nodes");
        let shown = home.display();
        output::next(
            global,
            &format!(
                "look around: blindmatch --home {shown}/{} doctor",
                first(&members)
            ),
        );
    }
    Ok(if demonstrated.is_ok() {
        Exit::Done
    } else {
        Exit::Error
    })
}

/// The providers: those that sets are named for, at least two, or those that sets are invented for.
fn members(sets: &[(Name, PathBuf)]) -> Result<Vec<Name>, Error> {
    if sets.is_empty() {
        let names = PROVIDERS.iter().map(|name| name.parse());
        return names
            .collect::<Result<_, _>>()
            .map_err(|_| Error::new("no provider has such a name"));
    }
    let members: BTreeSet<_> = sets.iter().map(|(member, _)| member.clone()).collect();
    if members.len() < 2 {
        let example = "--set a=FILE --set b=FILE";
        return Err(Error::usage("one provider has nobody to exchange with")
            .hint(format!("name a set for another one as well: {example}")));
    }
    Ok(members.into_iter().collect())
}

fn first(members: &[Name]) -> &str {
    members.first().map_or("NAME", Name::as_str)
}

fn given(sets: &[(Name, PathBuf)]) -> Vec<Set> {
    let now = jiff::Timestamp::now();
    sets.iter()
        .map(|(member, file)| Set {
            member: member.clone(),
            file: file.clone(),
            options: Options {
                now: Some(now),
                ..Options::default()
            },
        })
        .collect()
}

/// Writes invented sets to files under `folder`.
fn generated(canonicaliser: &Canonicaliser, folder: &Path) -> Result<Vec<Set>, Error> {
    let mut sets = Vec::new();
    for set in generate(canonicaliser, SEED, clock::now()) {
        let folder = folder.join(set.provider);
        let file = folder.join(format!("{}.csv", set.indicator_type));
        let written = fs::create_dir_all(&folder).and_then(|()| fs::write(&file, &set.csv));
        written.map_err(|error| Error::new(format!("{}: {error}", file.display())))?;
        let member = set.provider.parse();
        sets.push(Set {
            member: member.map_err(|_| Error::new("no provider has such a name"))?,
            file,
            options: Options {
                reference: Some(Column::Name("id".to_owned())),
                seen: Some(Column::Name("seen".to_owned())),
                ..Options::default()
            },
        });
    }
    Ok(sets)
}

/// Imports every set, each as a source of its own.
fn take(
    consortium: &mut Consortium,
    canonicaliser: &Canonicaliser,
    sets: &[Set],
    global: &Global,
    tell: &dyn Fn(&str),
) -> Result<(), Error> {
    for (number, set) in sets.iter().enumerate() {
        let source = source(number, &set.file)?;
        let mut imported = import(consortium, canonicaliser, set, &source, global)?;
        if matches!(imported, Err(ImportError::PaymentKeyMissing)) {
            consortium.share_payment_key()?;
            tell("card numbers: every member has the payment key now, and may exchange them");
            imported = import(consortium, canonicaliser, set, &source, global)?;
        }
        let file = set.file.display();
        let report = imported.map_err(|error| {
            let check = quoted(&file.to_string());
            Error::new(format!("{file}: {error}")).hint(format!(
                "see how it reads: blindmatch indicators check {check}"
            ))
        })?;
        let tally = &report.tally;
        let mut parts = vec![in_words(&by_type(&tally.accepted))];
        for (what, count) in [
            ("refused", tally.refused_total()),
            ("not matchable", tally.not_matchable_total()),
        ] {
            if count > 0 {
                parts.push(format!("{what} {}", output::grouped(count)));
            }
        }
        tell(&format!("{}: {file}: {}", set.member, parts.join(", ")));
    }
    Ok(())
}

/// Imports one set; the inner error is about its file.
fn import(
    consortium: &Consortium,
    canonicaliser: &Canonicaliser,
    set: &Set,
    source: &SourceName,
    global: &Global,
) -> Result<Result<Imported, ImportError<FeedError>>, Error> {
    let member = consortium.members.get(&set.member);
    let member = member.ok_or_else(|| Error::new(format!("there is no {}", set.member)))?;
    let feed = Source::open(&set.file, global)?;
    let imported = member.desk(canonicaliser)?.import(
        source.clone(),
        |canonicaliser, sink| feed.read(&set.options, canonicaliser, sink),
        &mut |_| {},
    );
    Ok(imported.map(|(report, _)| report))
}

/// The name of the source that a file becomes: two files of one name are two sources.
fn source(number: usize, file: &Path) -> Result<SourceName, Error> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name
        .chars()
        .filter(|c| !c.is_control() && *c != '\\')
        .take(60)
        .collect();
    let name = format!("{} {name}", number + 1);
    name.parse().map_err(Error::new)
}

#[cfg(test)]
mod tests;
