//! Names of columns that say what a column is: ids of the rows, numbers of the rows, or neither.

/// Columns that identify a row, in order of preference.
pub(super) const IDS: [&str; 3] = ["id", "path", "sample"];
/// Columns that never identify a row.
pub(super) const NOT_IDS: [&str; 4] = ["label", "camera", "split", "group"];
/// Columns that state the numbers of the rows, as [`plain`] names.
pub(super) const ROWS: [&str; 7] = ["row", "rowid", "rowindex", "rowidx", "rownumber", "rownum", "rowno"];
/// Columns that number rows in the file that they were written to, as [`plain`] names, which are empty for an index of pandas.
const INDEXES: [&str; 3] = ["index", "", "idx"];
/// Further columns that may number the rows of a table, as [`plain`] names.
const NUMBERS: [&str; 11] = [
    "imageid",
    "imageindex",
    "imageidx",
    "imgid",
    "imgidx",
    "sampleid",
    "sampleindex",
    "sampleidx",
    "embeddingid",
    "vectorid",
    "fileid",
];

/// Whether a column of this [`plain`] name gives the place of a row in its file.
pub(super) fn is_place(name: &str) -> bool {
    ROWS.iter().chain(&INDEXES).any(|known| *known == name)
}

/// Whether a column of this name often has the ids or the numbers of rows.
pub(super) fn is_name_of_ids(name: &str) -> bool {
    let name = plain(name);
    IDS.iter().chain(&ROWS).chain(&INDEXES).chain(&NUMBERS).any(|known| *known == name)
}

/// What a column names if its texts are names of samples, as [`plain`] names.
const SAMPLES: [&str; 15] = [
    "image",
    "img",
    "photo",
    "picture",
    "file",
    "path",
    "sample",
    "clip",
    "utterance",
    "utt",
    "uuid",
    "url",
    "md5",
    "sha1",
    "sha256",
];
/// What may follow it.
const ENDINGS: [&str; 10] = ["id", "name", "path", "key", "index", "idx", "number", "file", "url", "hash"];

/// Whether a column of this [`plain`] name names samples, such as `imageid` or `imgfilename`, but not `profileid`.
pub(super) fn names_samples(name: &str) -> bool {
    SAMPLES.contains(&name)
        || ENDINGS.iter().filter_map(|ending| name.strip_suffix(ending)).any(names_samples)
}

/// The letters and digits of the name of a column, in lower case: equal for `file_name` and `Filename`. Empty for the index of pandas, whatever
/// the file format calls it.
pub(super) fn plain(name: &str) -> String {
    let plain: String = name.chars().filter(|letter| letter.is_alphanumeric()).collect();
    match plain.to_lowercase() {
        plain if plain == "unnamed0" || plain == "indexlevel0" => String::new(),
        plain if plain.is_empty() => name.trim().to_owned(),
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_samples_are_whole_words() {
        for name in
            ["image", "imageid", "filename", "imgfilename", "filepath", "uuid", "md5hash", "sampleindex"]
        {
            assert!(names_samples(name), "{name}");
        }
        for name in ["profileid", "shape", "name", "id", "button", "clipped", ""] {
            assert!(!names_samples(name), "{name}");
        }
    }

    #[test]
    fn columns_are_named_loosely() {
        for (a, b) in [("File_Name", "filename"), ("", "Unnamed: 0"), ("__index_level_0__", ""), (" #", "# ")]
        {
            assert_eq!(plain(a), plain(b), "{a} {b}");
        }
        assert_ne!(plain("#"), plain(""));
    }
}
