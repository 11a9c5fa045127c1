//! A small reader of feature files: scenarios of steps with tables, a background before each, outlines with examples.
//!
//! Invariants:
//! 1. An outline becomes one scenario per example, named by it, with all placeholders filled in.
//! 2. A line that is none of the known kinds is a step as it stands, so that it fails where it is not understood.

/// What begins a step.
const KEYWORDS: [&str; 4] = ["Given ", "When ", "Then ", "And "];
/// What begins a line that is no step.
const SKIPPED: [&str; 4] = ["Feature:", "Background:", "@", "#"];

/// A scenario with its background, its placeholders filled in.
pub struct Scenario {
    pub name: String,
    pub steps: Vec<Step>,
}

/// Rows of cells.
pub type Table = Vec<Vec<String>>;

/// A step: its line, its text without the keyword, its table.
#[derive(Clone)]
pub struct Step {
    pub line: usize,
    pub text: String,
    pub table: Table,
}

/// The cells of a table's row.
fn cells(row: &str) -> Vec<String> {
    row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// All scenarios of a feature, each beginning with the background.
pub fn scenarios(feature: &str) -> Vec<Scenario> {
    let mut background: Vec<Step> = Vec::new();
    let mut found: Vec<(String, Vec<Step>, Option<Table>)> = Vec::new();
    for (index, line) in feature.lines().map(str::trim).enumerate() {
        let title = line.strip_prefix("Scenario Outline:").or(line.strip_prefix("Scenario:"));
        if let Some(name) = title {
            found.push((name.trim().to_owned(), background.clone(), None));
        } else if line == "Examples:" {
            found.last_mut().expect("examples of a scenario").2 = Some(Vec::new());
        } else if line.starts_with('|') {
            match found.last_mut() {
                Some((_, _, Some(examples))) => examples.push(cells(line)),
                Some((_, steps, None)) => steps.last_mut().expect("a table of a step").table.push(cells(line)),
                None => background.last_mut().expect("a table of a step").table.push(cells(line)),
            }
        } else if !SKIPPED.iter().any(|start| line.starts_with(start)) && !line.is_empty() {
            let text = KEYWORDS.iter().find_map(|keyword| line.strip_prefix(keyword)).unwrap_or(line);
            let step = Step { line: index + 1, text: text.trim().to_owned(), table: Table::new() };
            found.last_mut().map_or(&mut background, |(_, steps, _)| steps).push(step);
        }
    }
    found.into_iter().flat_map(|(name, steps, examples)| expand(name, &steps, examples)).collect()
}

fn expand(name: String, steps: &[Step], examples: Option<Table>) -> Vec<Scenario> {
    let Some(examples) = examples else {
        return vec![Scenario { name, steps: steps.to_vec() }];
    };
    let (head, rows) = examples.split_first().expect("examples have a head");
    let filled = |row: &Vec<String>| {
        let fill = |text: &String| {
            head.iter().zip(row).fold(text.clone(), |text, (column, value)| text.replace(&format!("<{column}>"), value))
        };
        let table = |table: &[Vec<String>]| table.iter().map(|row| row.iter().map(fill).collect()).collect();
        let steps =
            steps.iter().map(|step| Step { line: step.line, text: fill(&step.text), table: table(&step.table) });
        Scenario { name: format!("{name} [{}]", row.join(", ")), steps: steps.collect() }
    };
    rows.iter().map(filled).collect()
}
