//! Reads the texts of `cases/`: blocks into cases, tables into variations.
//!
//! A block is a case; `each` multiplies it by words or rows, before anything
//! else is read, so that any part of a case may vary. docs/conformance.md
//! explains the language; errors name the block, for whoever adds a case.

use std::collections::BTreeMap;
use std::time::Duration;

use super::case::{Case, Grade, Need, Request, Step};
use super::expect;
use super::request::Draft;

/// Columns, and rows of as many cells.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

pub(super) type Tables = BTreeMap<String, Table>;

/// Reads the shared tables: blocks that begin with `table NAME: COLUMNS`.
pub(super) fn tables(text: &str) -> Result<Tables, String> {
    let blocks = blocks(text);
    let read = blocks.iter().map(|block| {
        let (first, rest) = block.split_first().ok_or("an empty block")?;
        let (name, columns) = first
            .strip_prefix("table ")
            .and_then(|head| head.split_once(':'))
            .ok_or_else(|| format!("not a table: {first}"))?;
        Ok((name.to_owned(), table(columns, rest)))
    });
    read.collect()
}

/// Reads one section.
pub(super) fn cases(
    section: &'static str,
    text: &str,
    tables: &Tables,
) -> Result<Vec<Case>, String> {
    let mut found = Vec::new();
    for block in blocks(text) {
        for lines in vary(&block, tables)? {
            let head = lines.first().cloned().unwrap_or_default();
            found.push(case(section, &lines).map_err(|why| format!("{section}: {head}: {why}"))?);
        }
    }
    Ok(found)
}

/// Blocks of lines between empty ones, comments dropped.
fn blocks(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let lines: Vec<&str> = lines.map(str::trim_end).collect();
    let blocks = lines.split(|line| line.is_empty());
    blocks.filter(|block| !block.is_empty()).map(<[_]>::to_vec).collect()
}

fn table(columns: &str, rows: &[&str]) -> Table {
    let columns = columns.split(',').map(|name| name.trim().to_owned()).collect();
    let rows = rows.iter().filter_map(|row| row.trim_start().strip_prefix('|'));
    Table {
        columns,
        rows: rows.map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect()).collect(),
    }
}

/// The block once for each row of its first `each`, and so on for the next one.
fn vary(block: &[&str], tables: &Tables) -> Result<Vec<Vec<String>>, String> {
    let owned: Vec<String> = block.iter().map(|line| (*line).to_owned()).collect();
    let Some(at) = owned.iter().position(|line| line.starts_with("each ")) else {
        return Ok(vec![owned]);
    };
    let (before, rest) = block.split_at(at);
    let (each, rest) = rest.split_first().ok_or("an each without a line")?;
    let is_row = |line: &&&str| line.trim_start().starts_with('|');
    let (rows, after) = rest.split_at(rest.iter().take_while(is_row).count());
    let table = each_table(each, rows, tables)?;
    let mut all = Vec::new();
    for row in &table.rows {
        if row.len() != table.columns.len() {
            return Err(format!("{each}: a row of {} cells: {row:?}", row.len()));
        }
        let put = |line: &&str| {
            let cells = table.columns.iter().zip(row);
            cells.fold((*line).to_owned(), |line, (name, cell)| {
                line.replace(&format!("{{{name}}}"), cell)
            })
        };
        let lines: Vec<String> = before.iter().chain(after).map(put).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        all.extend(vary(&lines, tables)?);
    }
    Ok(all)
}

/// `each of NAME`, `each COLUMN: words` or `each COLUMNS:` with rows.
fn each_table(each: &str, rows: &[&str], tables: &Tables) -> Result<Table, String> {
    let head = each.trim_start_matches("each ");
    if let Some(name) = head.strip_prefix("of ") {
        return tables.get(name).cloned().ok_or_else(|| format!("no table {name}"));
    }
    let (columns, words) = head.split_once(':').ok_or_else(|| format!("{each}: no colon"))?;
    if words.trim().is_empty() {
        return Ok(table(columns, rows));
    }
    Ok(Table {
        columns: vec![columns.to_owned()],
        rows: words.split_whitespace().map(|word| vec![word.to_owned()]).collect(),
    })
}

fn case(section: &'static str, lines: &[String]) -> Result<Case, String> {
    let (head, body) = lines.split_first().ok_or("no lines")?;
    let mut case = head_line(section, head).ok_or("expected RULES must|should: sentence")?;
    let mut steps = Steps::default();
    for line in body {
        if !condition(&mut case, line) {
            steps.line(line).ok_or_else(|| format!("not understood: {line}"))?;
        }
    }
    case.steps = steps.finish();
    let judges = |step: &Step| !matches!(step, Step::Request(_) | Step::Reconnect | Step::Wait(_));
    if case.steps.last().is_some_and(judges) {
        Ok(case)
    } else {
        Err("it does not end with an expectation".to_owned())
    }
}

fn head_line(section: &'static str, head: &str) -> Option<Case> {
    let (left, sentence) = head.split_once(": ")?;
    let (rules, grade) = left.rsplit_once(' ')?;
    Some(Case {
        rules: rules.split(' ').map(str::to_owned).collect(),
        grade: match grade {
            "must" => Grade::Must,
            "should" => Grade::Should,
            _ => return None,
        },
        section,
        sentence: sentence.to_owned(),
        v1: None,
        patience: None,
        needs: Vec::new(),
        steps: Vec::new(),
    })
}

/// Takes the lines that say when a case is run; false where it is no such line.
fn condition(case: &mut Case, line: &str) -> bool {
    let pair = |text: &str| text.split_once(" in ").map(|(a, b)| (a.to_owned(), b.to_owned()));
    if line == "when v1" {
        case.v1 = Some(true);
    } else if line == "when tokens are required" {
        case.v1 = Some(false);
    } else if let Some(path) = line.strip_prefix("needs ") {
        case.needs.push(Need::Served(path.to_owned()));
    } else if let Some((name, directory)) = line.strip_prefix("listed ").and_then(pair) {
        case.needs.push(Need::Listed { name, directory });
    } else if let Some((name, directory)) = line.strip_prefix("unlisted ").and_then(pair) {
        case.needs.push(Need::Unlisted { name, directory });
    } else if let Some(wait) = line.strip_prefix("patience ").and_then(span) {
        case.patience = Some(wait);
    } else {
        return false;
    }
    true
}

/// `1100 ms` or `12 s`.
fn span(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_once(' ')?;
    let number = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        _ => None,
    }
}

/// Steps as their lines come in.
#[derive(Default)]
struct Steps {
    done: Vec<Step>,
    draft: Option<Draft>,
    /// How often, and where among `done` the repeated steps begin.
    times: Option<(usize, usize)>,
}

impl Steps {
    fn line(&mut self, line: &str) -> Option<()> {
        if let Some(text) = line.strip_prefix(">>") {
            let text = text.strip_prefix(' ').unwrap_or(text);
            match &mut self.draft {
                Some(draft) => draft.add_raw(text),
                None => self.open(Draft::raw(text)),
            }
        } else if let Some(text) = line.strip_prefix(">  ") {
            self.draft.as_mut()?.add_field(text.trim_start());
        } else if let Some(text) = line.strip_prefix("> ") {
            self.open(Draft::open(text.trim_end())?);
        } else if let Some(text) = line.strip_prefix("< ") {
            self.close();
            self.expect(text)?;
        } else {
            self.finish_times();
            self.act(line)?;
        }
        Some(())
    }

    fn open(&mut self, draft: Draft) {
        self.close();
        if matches!(self.done.last(), Some(Step::Answer(_))) {
            self.finish_times();
        }
        self.draft = Some(draft);
    }

    fn close(&mut self) {
        let request: Option<Request> = self.draft.take().map(Draft::finish);
        self.done.extend(request.map(Step::Request));
    }

    fn expect(&mut self, text: &str) -> Option<()> {
        if let Some(expected) = expect::outcomes(text) {
            self.done.push(Step::Answer(expected));
            return Some(());
        }
        let Some(Step::Answer(expected)) = self.done.last_mut() else {
            return None;
        };
        expected.checks.push(expect::check(text)?);
        Some(())
    }

    fn act(&mut self, line: &str) -> Option<()> {
        self.close();
        if line == "reconnect" {
            self.done.push(Step::Reconnect);
        } else if let Some(path) = line.strip_prefix("walk ") {
            self.done.push(Step::Walk(path.to_owned()));
        } else if let Some(wait) = line.strip_prefix("wait ") {
            self.done.push(Step::Wait(span(wait)?));
        } else {
            let count = line.strip_prefix("times ")?.parse().ok()?;
            self.times = Some((count, self.done.len()));
        }
        Some(())
    }

    fn finish_times(&mut self) {
        self.close();
        if let Some((count, from)) = self.times.take() {
            let steps = self.done.split_off(from.min(self.done.len()));
            self.done.push(Step::Times { count, steps });
        }
    }

    fn finish(mut self) -> Vec<Step> {
        self.finish_times();
        self.done
    }
}
