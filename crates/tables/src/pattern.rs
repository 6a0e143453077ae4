//! Which columns of a table are the embedding: those that a pattern selects, or all that have a name like the others.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::echo::{echo, echo_list};
use super::error::Problem;
use super::numbers::Precise;

/// Selects the columns of an embedding by name: names separated by commas, with `*` for any characters and `?` for one. An item that begins with
/// `!` excludes columns, whatever the other items and their order are. If all items exclude, all other columns are selected.
///
/// A pattern that begins with `=` is the name of one column as it is, with any characters.
///
/// `e*` selects `e0` to `e511`; `!age` selects everything but `age`; `pca?,!pca9` selects nine columns. Upper and lower case differ. The
/// columns `label`, `id`, `camera`, `split` and `group` and an index of pandas are never part of an embedding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ColumnPattern {
    text: String,
    /// Empty for the name of one column.
    items: Vec<Item>,
}

/// Which columns of a table are the embedding and the labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChosenColumns {
    /// The columns of the embedding, or the array of an archive.
    pub embedding: Option<ColumnPattern>,
    /// The column or array of the labels, instead of `label`.
    pub label: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    name: Vec<char>,
    excludes: bool,
}

impl FromStr for ColumnPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix(EXACTLY) {
            return if name.is_empty() {
                Err("expected the name of a column after `=`".to_owned())
            } else {
                Ok(Self { text: text.to_owned(), items: Vec::new() })
            };
        }
        let items: Vec<Item> = text
            .split(',')
            .map(|item| {
                let item = item.trim();
                let (name, excludes) = item.strip_prefix('!').map_or((item, false), |name| (name, true));
                Item { name: name.chars().collect(), excludes }
            })
            .collect();
        if items.iter().any(|item| item.name.is_empty()) {
            return Err("expected names of columns, separated by commas, such as 'e*' or '!age'".to_owned());
        }
        Ok(Self { text: text.to_owned(), items })
    }
}

impl TryFrom<String> for ColumnPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ColumnPattern> for String {
    fn from(pattern: ColumnPattern) -> Self {
        pattern.text
    }
}

impl fmt::Display for ColumnPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

/// How the name of one column begins.
const EXACTLY: char = '=';

impl ColumnPattern {
    /// The column of this name, which is not read as a pattern.
    pub fn exactly(name: &str) -> Self {
        Self { text: format!("{EXACTLY}{name}"), items: Vec::new() }
    }

    /// The name, if the pattern is that of one column.
    pub fn name(&self) -> Option<&str> {
        self.text.strip_prefix(EXACTLY)
    }

    /// The selected ones of the columns `from`, in their order. An item that matches none is an error, and so is a pattern that excludes all
    /// that it names.
    pub(super) fn select(&self, names: &[String], from: &[usize]) -> Result<Vec<usize>, Problem> {
        if let Some(name) = self.name() {
            let known = from.iter().copied().find(|at| names[*at] == name);
            let all = || from.iter().map(|at| names[*at].clone()).collect();
            return known
                .map(|at| vec![at])
                .ok_or_else(|| Problem::NoEmbeddingColumn { column: name.to_owned(), found: all() });
        }
        let letters: Vec<(usize, Vec<char>)> =
            from.iter().map(|at| (*at, names[*at].chars().collect())).collect();
        for item in &self.items {
            if !letters.iter().any(|(_, name)| matches(&item.name, name)) {
                let name: String = item.name.iter().collect();
                let found = from.iter().map(|at| names[*at].clone()).collect();
                return Err(Problem::NoSuchColumns { pattern: name, found });
            }
        }
        let all_exclude = self.items.iter().all(|item| item.excludes);
        let is_named = |name: &[char], excludes: bool| {
            self.items.iter().any(|item| item.excludes == excludes && matches(&item.name, name))
        };
        let is_selected = |name: &[char]| (all_exclude || is_named(name, false)) && !is_named(name, true);
        let selected: Vec<usize> =
            letters.iter().filter(|(_, name)| is_selected(name)).map(|(at, _)| *at).collect();
        if selected.is_empty() {
            return Err(Problem::AllExcluded { pattern: self.text.clone() });
        }
        Ok(selected)
    }
}

/// Whether a name matches a pattern with `*` and `?`.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut in_name) = (0, 0);
    // The last `*`, and where the characters it stands for end.
    let mut star = None;
    while in_name < name.len() {
        if pattern.get(at) == Some(&'*') {
            star = Some((at, in_name));
            at += 1;
        } else if pattern.get(at).is_some_and(|letter| *letter == '?' || *letter == name[in_name]) {
            (at, in_name) = (at + 1, in_name + 1);
        } else if let Some((before, end)) = star {
            star = Some((before, end + 1));
            (at, in_name) = (before + 1, end + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

/// Most characters of a pattern in a message.
const MOST_SHOWN: usize = 400;

/// A pattern for errors that selects all of `names` but `odd`: `start`, such as `e*`, if it does that, otherwise one that excludes each of
/// them. `None` if no pattern can say it.
fn all_but(odd: &[&str], names: &[&str], start: Option<&str>) -> Option<String> {
    let excluding: Vec<String> = odd.iter().map(|name| format!("!{}", name.replace(',', "?"))).collect();
    let excluding = excluding.join(",");
    let texts: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let all: Vec<usize> = (0..names.len()).collect();
    let kept: Vec<usize> = all.iter().copied().filter(|at| !odd.contains(&names[*at])).collect();
    let works = |pattern: &&str| {
        // Only what a message shows as it is can be copied from it.
        let is_shown = pattern.len() <= MOST_SHOWN && pattern.split(',').all(|item| echo(item) == item);
        let selected = pattern.parse::<ColumnPattern>().ok().and_then(|p| p.select(&texts, &all).ok());
        is_shown && selected.as_ref() == Some(&kept)
    };
    start.into_iter().chain([excluding.as_str()]).find(works).map(str::to_owned)
}

/// How to leave out the columns `odd` with --columns, for errors; see [`all_but`].
pub(super) fn advice(odd: &[&str], names: &[&str], start: Option<&str>) -> String {
    let out = match odd {
        [_] => "to leave it out".to_owned(),
        // What a pattern selects is not checked, so it must leave out all of them at once.
        several => format!("to leave out all that do not fit ({})", echo_list(several)),
    };
    let all = "to use all columns, --columns '*'";
    match all_but(odd, names, start) {
        Some(pattern) => format!("{out}, use --columns '{pattern}', or {all}"),
        None => format!("{out}, rename some columns, or list the others in --columns, or {all}"),
    }
}

/// Letters of the names of columns that are weights of samples or classes.
const WEIGHTS: [&str; 9] = [
    "weight",
    "weights",
    "sampleweight",
    "sampleweights",
    "classweight",
    "classweights",
    "instanceweight",
    "lossweight",
    "exampleweight",
];

/// Whether a column of a table holds the weights of samples.
pub fn is_sample_weight(name: &str) -> bool {
    let letters: String = name.chars().filter(char::is_ascii_alphabetic).collect();
    letters.len() == name.chars().filter(|letter| !matches!(letter, ' ' | '_' | '-' | '.')).count()
        && WEIGHTS.iter().any(|weight| letters.eq_ignore_ascii_case(weight))
}

/// Letters of the names of columns that are labels.
const LABELS: [&str; 36] = [
    "target",
    "targets",
    "targetid",
    "class",
    "classes",
    "classid",
    "classidx",
    "classindex",
    "classlabel",
    "classname",
    "classnumber",
    "labels",
    "labelid",
    "labelname",
    "truelabel",
    "trueclass",
    "ytrue",
    "ypred",
    "groundtruth",
    "prediction",
    "predicted",
    "predictedclass",
    "predictedlabel",
    "species",
    "category",
    "categories",
    "categoryid",
    "cluster",
    "clusters",
    "clusterid",
    "identity",
    "person",
    "personid",
    "subject",
    "speaker",
    "outcome",
];
/// Letters of the names of columns that are folds or parts.
const FOLDS: [&str; 15] = [
    "fold",
    "folds",
    "foldid",
    "kfold",
    "cvfold",
    "part",
    "partition",
    "splits",
    "subset",
    "istrain",
    "istraining",
    "istest",
    "isvalid",
    "isvalidation",
    "groups",
];

/// The meaning of a column that is a label, fold or part by its name.
fn meaning(name: &str, names: &[&str]) -> Option<&'static str> {
    let letters = name.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase();
    // Next to `x`, it is a coordinate.
    let is_target =
        name.eq_ignore_ascii_case("y") && !names.iter().any(|other| other.eq_ignore_ascii_case("x"));
    // A number at the end makes it one of many, as in `class0`.
    if name.ends_with(|letter: char| letter.is_ascii_digit()) {
        None
    } else if is_target || LABELS.contains(&letters.as_str()) {
        Some("a label (only a column `label`, or that of --label-column, is used as such)")
    } else {
        FOLDS.contains(&letters.as_str()).then_some("a fold or part of the data")
    }
}

/// Rejects columns that are probably not part of the embedding, because their names are not like the others.
pub(super) fn require_alike(names: &[&str]) -> Result<(), Problem> {
    let mut forms: BTreeMap<String, usize> = BTreeMap::new();
    for name in names {
        *forms.entry(form(name)).or_default() += 1;
    }
    let most = forms.values().copied().max().unwrap_or(0);
    let is_common = forms.len() > 1 && most >= 2 && 2 * most >= names.len();
    // The first of the most frequent forms in the order of the columns. Names that are only numbers are those of an array, so words next to them are
    // other columns, however many there are.
    let numbers = forms.len() > 1 && forms.get("#").is_some_and(|count| *count >= 2);
    let common = names.iter().map(|name| form(name)).find(|form| is_common && forms[form] == most);
    let common = common.or_else(|| numbers.then(|| "#".to_owned()));
    let is_odd = |name: &&&str| common.as_ref().is_some_and(|common| form(name) != *common);
    let is_index = |name: &&&str| forms.len() > 1 && is_name_of_index(name);
    let weight = names.iter().find(|name| is_sample_weight(name));
    let label = names.iter().find_map(|name| Some((name, meaning(name, names)?)));
    let index = names.iter().find(is_index);
    let odd: Vec<String> = names.iter().filter(is_odd).map(|name| (*name).to_owned()).collect();
    let unfit = |name: &&&str| {
        is_sample_weight(name) || meaning(name, names).is_some() || is_index(name) || is_odd(name)
    };
    let unfit: Vec<&str> = names.iter().filter(unfit).copied().collect();
    let advice = advice(&unfit, names, common.as_ref().map(|form| form.replace('#', "*")).as_deref());
    Err(if let Some(name) = weight {
        Problem::SampleWeights { column: (*name).to_owned(), advice }
    } else if let Some((name, meaning)) = label {
        Problem::LabelColumn { column: (*name).to_owned(), meaning, advice }
    } else if let Some(name) = index {
        Problem::IndexColumn { column: (*name).to_owned(), advice }
    } else if let Some(common) = common {
        let mut others = names.iter().filter(|name| form(name) == common).map(|name| (*name).to_owned());
        let first = others.next().unwrap_or_default();
        let last = others.next_back().unwrap_or_else(|| first.clone());
        Problem::OddColumns { columns: odd, others: Box::new([first, last]), advice }
    } else {
        return Ok(());
    })
}

/// Two neighbours among the names of columns whose numbers are not in ascending order, such as `e1` and `e10` before `e2`: `e10`, `e2`.
fn unsorted_numbers(names: &[String]) -> Option<[&str; 2]> {
    let number = |name: &str| -> Option<u64> {
        let digits = name.bytes().rev().take_while(u8::is_ascii_digit).count();
        name[name.len() - digits..].parse().ok()
    };
    let descends = |pair: &&[String]| {
        form(&pair[0]) == form(&pair[1])
            && number(&pair[0]).zip(number(&pair[1])).is_some_and(|(before, after)| before > after)
    };
    names.windows(2).find(descends).map(|pair| [pair[0].as_str(), pair[1].as_str()])
}

/// Most names or ranges of names of columns in a line.
const MOST_LISTED: usize = 8;

/// The names of columns in a line: `e0 to e511`, or the first ones and how many others there are.
pub fn columns_in_words(names: &[String]) -> String {
    let follows = |pair: &[String]| {
        numbered(&pair[0]).zip(numbered(&pair[1])).is_some_and(|(a, b)| a.0 == b.0 && a.1 + 1 == b.1)
    };
    let (mut listed, mut at) = (Vec::new(), 0);
    while at < names.len() && listed.len() < MOST_LISTED {
        let in_order = names[at..].windows(2).take_while(|pair| follows(pair)).count();
        if in_order > 1 {
            listed.push(format!("{} to {}", echo(&names[at]), echo(&names[at + in_order])));
            at += in_order + 1;
        } else {
            listed.push(echo(&names[at]));
            at += 1;
        }
    }
    let others = match names.len() - at {
        0 => String::new(),
        1 => " and 1 other".to_owned(),
        more => format!(" and {more} others"),
    };
    listed.join(", ") + &others
}

/// The form of a name with one number, and the number.
fn numbered(name: &str) -> Option<(String, u64)> {
    let digits = name.find(|letter: char| letter.is_ascii_digit())?;
    let rest = &name[digits..];
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let form = form(name);
    let only = form.matches('#').count() == 1;
    rest[..end].parse().ok().filter(|number| only && *number < u64::MAX).map(|number| (form, number))
}

/// A sentence on a table with these columns of vectors, of which some are numbered alike and others are not, as measurements next to an embedding.
///
/// The rules of `require_alike` reject this only if at least half of the columns are alike.
pub fn mixed_columns(path: &Path, names: &[String]) -> Option<String> {
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut forms: BTreeMap<String, usize> = BTreeMap::new();
    for name in &all {
        *forms.entry(form(name)).or_default() += 1;
    }
    let alike = most_alike(&all);
    // Several kinds of numbered columns, as many of each, belong together: `x0`, `y0`, `z0`, `x1`, `y1`, `z1`.
    let is_grid = forms.iter().all(|(form, count)| form.contains('#') && *count == alike.len());
    if alike.len() < 2 || is_grid {
        return None;
    }
    let common = form(alike[0]);
    let odd: Vec<&str> = all.iter().copied().filter(|name| form(name) != common).collect();
    Some(format!(
        "{}: the vectors have the columns {} and also {}, whose names are not like these; {}.",
        path.display(),
        columns_in_words(&alike.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()),
        echo_list(&odd),
        advice(&odd, &all, Some(&common.replace('#', "*")))
    ))
}

/// A sentence if two tables, or a model and a table, are used together by position because only one of them has names of columns, and these are
/// not in the order of their numbers. Of each, the names and what it is called.
pub fn unsorted_columns(
    a: (Option<&[String]>, &dyn std::fmt::Display),
    b: (Option<&[String]>, &dyn std::fmt::Display),
) -> Option<String> {
    let (((Some(names), of), (None, unnamed)) | ((None, unnamed), (Some(names), of))) = (a, b) else {
        return None;
    };
    let [before, after] = unsorted_numbers(names)?.map(echo);
    Some(format!(
        "{of}: the columns are not in the order of their numbers (`{before}` is before `{after}`), and the columns of {unnamed} have no names, so \
         they are used in their order. If they are in the order of the numbers, the results are wrong."
    ))
}

/// The names of the most frequent form with a number in it, such as `e0`, `e1`, `e2`.
pub(super) fn most_alike<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut forms: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in names {
        forms.entry(form(name)).or_default().push(name);
    }
    forms.retain(|form, _| form.contains('#'));
    forms.into_values().max_by_key(Vec::len).unwrap_or_default()
}

/// A name with `#` for each number in it.
fn form(name: &str) -> String {
    let mut form = String::new();
    for letter in name.chars() {
        if !letter.is_ascii_digit() {
            form.push(letter);
        } else if !form.ends_with('#') {
            form.push('#');
        }
    }
    form
}

/// Whether a name is that of a row number or id.
fn is_name_of_index(name: &str) -> bool {
    let numbered = |start: &str| name.strip_prefix(start).is_some_and(|rest| rest.parse::<u32>().is_ok());
    let lower = name.to_ascii_lowercase();
    let whole = ["index", "idx", "row", "rowid", "uid", "uuid"].contains(&lower.as_str());
    let end = ["_id", "_idx", "_index", "-id", " id", ".id"].iter().any(|end| lower.ends_with(end));
    let camel = name.ends_with("Id") || (name.ends_with("ID") && name.len() > 2);
    whole || end || camel || numbered("level_") || numbered("Unnamed: ")
}

/// Least number of rows in which a counting column is not a coincidence.
const MIN_ROWS: usize = 8;

/// A column that probably numbers the rows, in a matrix that also has fractions: different whole numbers that ascend, or that are so dense
/// that they are not all different by chance, like those of a table in another order.
pub(super) fn counting_column(values: &Precise, dim: usize) -> Option<usize> {
    let rows = values.len() / dim.max(1);
    if rows < MIN_ROWS || dim < 2 {
        return None;
    }
    let column = |at: usize| (0..rows).map(move |row| values.value(row * dim + at));
    let is_whole = |at: usize| column(at).all(|value| value.fract() == 0.0);
    let counts = |at: &usize| {
        if !is_whole(*at) {
            return false;
        }
        let mut sorted: Vec<f64> = column(*at).collect();
        let ascends = sorted.windows(2).all(|pair| pair[0] < pair[1]);
        sorted.sort_unstable_by(f64::total_cmp);
        let differ = sorted.windows(2).all(|pair| pair[0] < pair[1]);
        // Drawn from `span` numbers, all are different with a probability of about exp(-rows^2 / 2 span).
        let span = sorted[rows - 1] - sorted[0] + 1.0;
        ascends || (differ && 8.0 * span <= (rows as f64).powi(2))
    };
    let found = (0..dim).find(counts)?;
    (0..dim).any(|at| !is_whole(at)).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<String> {
        list.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn patterns_select_columns_by_name() {
        let all = names("e0 e1 e10 age E2 x");
        let from: Vec<usize> = (0..all.len()).collect();
        let select = |pattern: &str| -> Result<String, String> {
            let pattern: ColumnPattern = pattern.parse()?;
            let found = pattern.select(&all, &from).map_err(|problem| problem.to_string())?;
            Ok(found.iter().map(|at| all[*at].as_str()).collect::<Vec<_>>().join(" "))
        };
        for (pattern, expected) in [
            ("e*", "e0 e1 e10"),
            ("e?", "e0 e1"),
            ("*", "e0 e1 e10 age E2 x"),
            ("!age", "e0 e1 e10 E2 x"),
            ("e*,!e1?", "e0 e1"),
            ("x, age", "age x"),
            ("*1*", "e1 e10"),
            ("!e1,e*", "e0 e10"),
            ("!age,!x", "e0 e1 e10 E2"),
            ("x,!e*,e1?,age", "age x"),
        ] {
            assert_eq!(select(pattern).unwrap(), expected, "{pattern}");
        }
        let said = select("e*,f*").unwrap_err();
        assert!(said.contains("no column matches `f*`; its columns are e0, e1, e10, age, E2, x"), "{said}");
        let said = select("!e*,e1").unwrap_err();
        assert!(said.contains("--columns '!e*,e1' selects no column"), "{said}");
        for pattern in ["", "e*,", "!", ","] {
            assert!(select(pattern).unwrap_err().starts_with("expected names of columns"), "{pattern}");
        }
        assert!(matches(&['*'; 50], &['a'; 50]) && !matches(&['a', '*', 'b'], &['a', 'b', 'a']));
    }

    #[test]
    fn columns_are_listed_briefly() {
        let numbered: Vec<String> = (0..512).map(|at| format!("e{at}")).collect();
        assert_eq!(columns_in_words(&numbered), "e0 to e511");
        let unsorted = ["e0".to_owned(), "e1".to_owned(), "e10".to_owned(), "e2".to_owned()];
        assert_eq!(columns_in_words(&unsorted), "e0, e1, e10, e2");
        assert_eq!(columns_in_words(&names("x_08_y x_09_y x_10_y age")), "x_08_y to x_10_y, age");
        assert_eq!(columns_in_words(&names("a b c d e f g h i")), "a, b, c, d, e, f, g, h and 1 other");
        let many: Vec<String> = (0..20).map(|at| format!("e{}", at * 2)).collect();
        assert_eq!(columns_in_words(&many), "e0, e2, e4, e6, e8, e10, e12, e14 and 12 others");
        assert_eq!(columns_in_words(&["e18446744073709551615".to_owned()]), "e18446744073709551615");
    }

    #[test]
    fn a_few_numbered_columns_among_others_are_reported() {
        let said = |list: &str| mixed_columns(Path::new("t.csv"), &names(list));
        let found = said("UMAP_1 UMAP_2 nCount_RNA percent.mt S.Score").expect("mixed");
        assert!(
            found.contains("the columns UMAP_1, UMAP_2 and also nCount_RNA, percent.mt, S.Score, whose"),
            "{found}"
        );
        assert!(found.contains("use --columns 'UMAP_*', or to use all columns, --columns '*'."), "{found}");
        for list in ["e0 e1 e2", "height width age", "height e0 age", "x0 y0 z0 x1 y1 z1", "x"] {
            assert_eq!(said(list), None, "{list}");
        }
    }

    #[test]
    fn columns_that_are_not_like_the_others_are_named() {
        let said = |list: &str| {
            let names = names(list);
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            require_alike(&names).map_err(|problem| problem.to_string())
        };
        for list in [
            "e0 e1 e10",
            "0 1 2",
            "x_0001_y x_0002_y",
            "x y",
            "height age",
            "x",
            "age e0 height width y x",
            "class0 class1",
            "Y x",
        ] {
            assert_eq!(said(list), Ok(()), "{list}");
        }
        for (list, expected) in [
            ("e0 e1 e2 age", "`age` do not fit the others, `e0` to `e2`"),
            ("0 1 2 index", "`index` looks like"),
            ("level_0 level_1 x y", "`level_0` looks like"),
            ("x Unnamed:_0 y img_id", "`img_id` looks like"),
            ("imageId x y", "`imageId` looks like"),
            ("x y Class_Weight", "`Class_Weight` looks like the weight of a sample"),
            ("x y weight", "`weight` looks like the weight of a sample"),
            ("height width Target", "`Target` looks like a label"),
            ("e0 e1 class_id", "`class_id` looks like a label"),
            ("height y", "`y` looks like a label"),
            ("height width k-fold", "`k-fold` looks like a fold"),
            ("a0 a1 b0 b1", "`b0, b1` do not fit the others, `a0` to `a1`"),
            // What is recommended leaves out what it names, and nothing else.
            ("e0 e1 e2 age", "to leave it out, use --columns 'e*'"),
            ("f_0 f_1 f_2 f_label", "use --columns '!f_label'"),
            ("emb_0 emb_1 emb_2 emb_mean emb_std", "(emb_mean, emb_std), use --columns '!emb_mean,!emb_std'"),
            ("x0 x1 x2 x_2024", "use --columns '!x_2024'"),
            ("0 1 2 3 pid", "use --columns '!pid'"),
            ("age 0 1 year ts", "`age, year, ts` do not fit the others, `0` to `1`"),
            ("f0 f1 f2 target f_species weight id_row", "`weight` looks like the weight"),
            ("f0 f1 f2 target f_species", "use --columns '!target,!f_species'"),
            ("height width target species img_id", "use --columns '!target,!species,!img_id'"),
            ("e0 e1 e2 a,b", "use --columns 'e*'"),
            ("0 1 2 a,b", "use --columns '!a?b'"),
            ("0 1 2 *", "rename some columns, or list the others in --columns"),
        ] {
            let found = said(list).unwrap_err();
            assert!(found.contains(expected) && found.contains("--columns"), "{list}: {found}");
        }
    }

    #[test]
    fn numbers_of_columns_that_are_sorted_as_texts_are_found() {
        assert_eq!(unsorted_numbers(&names("e0 e1 e10 e11 e2")), Some(["e11", "e2"]));
        assert_eq!(unsorted_numbers(&names("10 9")), Some(["10", "9"]));
        for list in ["e0 e1 e2 e10", "a1 b0", "x y", "e2", "a_9_x a_1_x"] {
            assert_eq!(unsorted_numbers(&names(list)), None, "{list}");
        }
    }

    #[test]
    fn a_column_that_counts_is_found() {
        let of = |values: &[f64]| {
            let mut found = Precise::default();
            for value in values {
                found.push(*value);
            }
            found
        };
        let with = |column: fn(usize) -> f64, rows: usize| {
            let rows = (0..rows).flat_map(|row| [0.5 - row as f64 * 0.3, column(row)]);
            counting_column(&of(&rows.collect::<Vec<f64>>()), 2)
        };
        assert_eq!(with(|row| 7.0 * row as f64, 9), Some(1));
        assert_eq!(with(|row| 3e9 + row as f64, 9), Some(1), "as f32 all are equal");
        assert_eq!(with(|row| (row * 5 % 9) as f64, 9), Some(1), "in another order");
        assert_eq!(with(|row| 100.0 + (row * 37 % 100 * 3) as f64, 100), Some(1), "a part, in another order");
        assert_eq!(with(|row| 7.0 * row as f64, 7), None, "few rows");
        assert_eq!(with(|row| (row % 8) as f64, 9), None, "not all different");
        assert_eq!(with(|row| (row * 7919 % 40_009) as f64, 100), None, "different by chance");
        assert_eq!(with(|row| row as f64 + 0.5, 9), None, "no whole numbers");
        let whole: Vec<f64> = (0..20).map(f64::from).collect();
        assert_eq!(counting_column(&of(&whole), 2), None, "all are whole numbers");
        assert_eq!(counting_column(&of(&[]), 0), None);
    }
}
