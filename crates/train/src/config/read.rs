//! Reading a configuration file, with errors that name the line.

use super::Config;
use crate::Error;
use std::path::Path;
use toml::de::DeTable;

impl Config {
    /// Parses the text of a configuration file; `path` is for error messages only.
    ///
    /// # Errors
    /// [`Error::BadConfiguration`], with file and line, for text that is not TOML, for an unknown key (with the nearest known one) and
    /// for values that [`Config::check`] rejects (with the key, what was found and what is expected).
    pub fn from_toml(path: &Path, text: &str) -> Result<Self, Error> {
        Self::from_toml_checked(path, text, Self::check)
    }

    /// As [`from_toml`](Self::from_toml), with another check in place of [`Config::check`], such as one of the configuration with the flags of a
    /// command line. Data that is a table has the backbone `linear`, unless the text has another one.
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml). An [`Error::BadValue`] of the check gets the line of its key.
    pub fn from_toml_checked(
        path: &Path,
        text: &str,
        check: impl FnOnce(&Self) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let bad = |line, message| Error::BadConfiguration { path: path.to_owned(), line, message };
        let mut config: Self = toml::from_str(text).map_err(|error| {
            let place = error.span().map(|span| span.start);
            let line = place.map_or(1, |place| line_at(text, place));
            // Types of this project begin their errors with what was found.
            let own = error.message().starts_with("found ").then(|| error.message().to_owned());
            if let Some(wrong) = own.or_else(|| wrong_type(error.message())) {
                let key = place.and_then(|place| key_at(text, place)).map(|key| key + ": ");
                return bad(line, key.unwrap_or_default() + &wrong);
            }
            let message = error.message().to_owned();
            let hint =
                nearest_key(&message).map(|key| format!("; did you mean `{key}`?")).unwrap_or_default();
            bad(line, message + &hint)
        })?;
        if !sets(text, "model.backbone") {
            config.model.backbone = config.data.usual_backbone();
        }
        match check(&config) {
            Ok(()) => Ok(config),
            Err(Error::BadValue { key, message }) => {
                Err(bad(line_of(text, &key), format!("{key}: {message}")))
            }
            Err(other) => Err(other),
        }
    }
}

/// The keys that the text of a configuration file sets, as `section.key`.
pub fn keys(text: &str) -> Vec<String> {
    let Ok(document) = DeTable::parse(text) else { return Vec::new() };
    let sections =
        document.get_ref().iter().filter_map(|(name, value)| Some((name, value.get_ref().as_table()?)));
    let keys = sections.flat_map(|(section, table)| table.keys().map(move |key| (section, key)));
    keys.map(|(section, key)| format!("{}.{}", section.get_ref(), key.get_ref())).collect()
}

/// Whether the text of a configuration file sets `section.key`.
fn sets(text: &str, key: &str) -> bool {
    keys(text).iter().any(|found| found == key)
}

/// The line of a byte of `text`, from 1.
fn line_at(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}

/// The line of `section.key`; that of the section if the key is absent, 1 if both are.
fn line_of(text: &str, key: &str) -> usize {
    let (section, key) = key.split_once('.').unwrap_or((key, ""));
    let Ok(document) = DeTable::parse(text) else { return 1 };
    let Some((name, value)) = document.get_ref().iter().find(|(name, _)| name.get_ref() == section) else {
        return 1;
    };
    let keys = value.get_ref().as_table().into_iter().flat_map(|table| table.keys());
    let place = keys.into_iter().find(|name| name.get_ref() == key).unwrap_or(name);
    line_at(text, place.span().start)
}

/// The key whose value is at a byte of `text`, with its sections: `section.key`.
fn key_at(text: &str, place: usize) -> Option<String> {
    let document = DeTable::parse(text).ok()?;
    key_in(document.get_ref(), place)
}

fn key_in(table: &DeTable<'_>, place: usize) -> Option<String> {
    table.iter().find_map(|(name, value)| {
        let (span, name) = (name.span(), name.get_ref());
        let inner = value.get_ref().as_table().and_then(|table| key_in(table, place));
        let here = || (value.span().contains(&place) || span.contains(&place)).then(|| name.to_string());
        inner.map(|inner| format!("{name}.{inner}")).or_else(here)
    })
}

/// serde's message about a wrong type, without the names of Rust's types: `invalid type: string "three", expected usize` becomes
/// `found "three", expected a whole number of at least 0`.
fn wrong_type(message: &str) -> Option<String> {
    let rest = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "))?;
    let (found, expected) = rest.rsplit_once(", expected ")?;
    let kinds = ["string ", "integer ", "floating point ", "boolean "];
    let found = match found {
        "sequence" => "a list",
        "map" => "a section",
        value => kinds.iter().find_map(|kind| value.strip_prefix(kind)).unwrap_or(value).trim_matches('`'),
    };
    let expected = match expected {
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number of at least 0",
        "isize" | "i64" | "i32" | "i16" | "i8" => "a whole number",
        "f64" | "f32" => "a number",
        "a boolean" => "true or false",
        "a string" | "a borrowed string" | "string" => "a text in quotes",
        "path string" => "a path in quotes",
        "string or table" | "variant identifier" => "a name in quotes",
        "a sequence" => "a list",
        other if other == "a map" || other.starts_with("struct ") => "a section",
        other => other,
    };
    Some(format!("found {found}, expected {expected}"))
}

/// The known key nearest to the unknown one, from serde's message "unknown field `x`, expected one of `a`, `b`".
fn nearest_key(message: &str) -> Option<&str> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next().filter(|_| message.starts_with("unknown"))?;
    quoted
        .map(|key| (strsim::damerau_levenshtein(unknown, key), key))
        .min()
        .filter(|(distance, key)| *distance <= key.len().div_ceil(2))
        .map(|(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use widemargin_data::Strength;
    use widemargin_model::BackboneName;

    fn parse(text: &str) -> Result<Config, Error> {
        Config::from_toml(Path::new("run.toml"), text)
    }

    #[test]
    fn a_written_configuration_reads_back() {
        let mut config = Config::default();
        config.data.unseen_classes = vec!["Bag".to_owned(), "Coat".to_owned()];
        config.data.path = Some("images/of \"things\"".into());
        config.objective.set("margin", Some(crate::config::Amount::Value(0.1 + 0.2)));
        config.model.dropout = 0.1;
        config.training.seed = u64::MAX;
        // A table before keys that are not.
        config.augment.resized_crop = Some(Strength::from([0.6, 1.0]).with_probability(0.1));
        config.augment.rotate = Some(15.0.into());
        config.augment.jpeg = Some([40.0, 90.0].into());
        assert_eq!(parse(&config.to_toml()).expect("our own text"), config);
        assert_eq!(parse("").expect("all defaults"), Config::default());
    }

    #[test]
    fn the_strength_of_an_augmentation_has_three_forms() {
        let config = parse(
            "[augment]\nrotate = 15\njpeg = [40, 90]\nhue = 0.1\nblur = { range = [0.5, 2], probability = 0.2 }\n\
             [augment.noise]\nrange = 0.05\nprobability = 0.5",
        );
        let augment = config.expect("allowed").augment;
        assert_eq!(augment.rotate, Some(15.0.into()));
        assert_eq!(augment.jpeg, Some([40.0, 90.0].into()));
        assert_eq!(augment.blur, Some(Strength::from([0.5, 2.0]).with_probability(0.2)));
        assert_eq!(augment.noise, Some(Strength::from(0.05).with_probability(0.5)));
        assert!(augment.flip && augment.pad_and_crop == 2, "the defaults of a run");
        for (text, expected) in [
            ("rotate = \"15\"", "augment.rotate: found \"15\", expected a number, a range [low, high] or {"),
            ("rotate = [1, 2, 3]", "augment.rotate: found a list of 3 numbers, expected a number, a range"),
            (
                "rotate = [15, -15]",
                "augment.rotate: found [15, -15], expected two numbers [low, high] from -180",
            ),
            (
                "blur = { range = 1, probability = 2 }",
                "augment.blur: found 2, expected a probability from 0 to 1",
            ),
            ("blur = { range = 1, probabilty = 1 }", "unknown field `probabilty`"),
            ("rotat = 3", "unknown field `rotat`"),
        ] {
            let message = parse(&format!("[augment]\n{text}")).expect_err(text).to_string();
            assert!(message.starts_with(&format!("run.toml, line 2: {expected}")), "{text}: {message}");
        }
    }

    #[test]
    fn a_table_has_a_backbone_for_vectors() {
        let backbone = |text: &str| parse(text).expect(text).model.backbone;
        assert_eq!(backbone("[data]\npath = \"vectors.npy\""), BackboneName::Linear);
        assert_eq!(
            backbone("[data]\npath = \"vectors.npy\"\n[model]\nbackbone = \"mlp\""),
            BackboneName::Mlp
        );
        assert_eq!(backbone("[data]\npath = \"images\""), BackboneName::SmallCnn);
        assert!(parse("[data]\npath = \"vectors.npy\"\n[model]\nbackbone = \"small-cnn\"").is_err());
    }

    #[test]
    fn keys_that_are_set_are_told_from_defaults() {
        for (text, expected) in [
            ("[model]\nbackbone = \"mlp\"", true),
            ("model = { backbone = \"small-cnn\" }", true),
            ("model.backbone = \"mlp\"", true),
            ("[model]\nembedding = 3\n[data]\nbackbone = 1", false),
            ("model = 3", false),
            ("", false),
            ("[model", false),
        ] {
            assert_eq!(sets(text, "model.backbone"), expected, "{text}");
        }
    }

    #[test]
    fn an_unknown_key_names_the_line_and_the_nearest() {
        let text = "[training]\nepochs = 3\n\n[optimiser]\n# höher\nlearning_rte = 0.1\n";
        let message = parse(text).expect_err("unknown key").to_string();
        assert!(message.starts_with("run.toml, line 6: unknown field `learning_rte`"), "{message}");
        assert!(message.ends_with("did you mean `learning_rate`?"), "{message}");
        let message = parse("[modle]\n").expect_err("unknown section").to_string();
        assert!(message.contains("line 1") && message.contains("did you mean `model`"), "{message}");
        let message = parse("[optimiser]\nxyz = 1").expect_err("nothing near").to_string();
        assert!(!message.contains("did you mean"), "{message}");
    }

    #[test]
    fn text_that_is_not_toml_names_the_line() {
        for text in ["\n[training\n", "\nepochs = = 3", "\n[training]epochs = 3"] {
            let message = parse(text).expect_err(text).to_string();
            assert!(message.starts_with("run.toml, line 2: "), "{text}: {message}");
        }
    }

    #[test]
    fn a_wrong_type_names_the_key_and_no_type_of_rust() {
        for (text, expected) in [
            (
                "[training]\nepochs = \"three\"",
                "line 2: training.epochs: found \"three\", expected a whole number of at least 0",
            ),
            (
                "[training]\nepochs = 1.5",
                "line 2: training.epochs: found 1.5, expected a whole number of at least 0",
            ),
            (
                "training.epochs = -1",
                "line 1: training.epochs: found -1, expected a whole number of at least 0",
            ),
            (
                "[optimiser]\nlearning_rate = \"0.1\"",
                "line 2: optimiser.learning_rate: found \"0.1\", expected a number",
            ),
            ("[data]\nclosed_set = 1", "line 2: data.closed_set: found 1, expected true or false"),
            ("[data]\npath = 7", "line 2: data.path: found 7, expected a path in quotes"),
            ("[data]\nunseen_classes = \"a\"", "line 2: data.unseen_classes: found \"a\", expected a list"),
            (
                "[data]\nunseen_classes = [\"a\", 2]",
                "line 2: data.unseen_classes: found 2, expected a text in quotes",
            ),
            ("[training]\ndevice = true", "line 2: training.device: found true, expected a text in quotes"),
            ("training = 3", "line 1: training: found 3, expected a section"),
        ] {
            let message = parse(text).expect_err(text).to_string();
            assert_eq!(message, format!("run.toml, {expected}"), "{text}");
        }
    }

    #[test]
    fn an_impossible_value_names_file_line_and_key() {
        for (text, expected) in [
            ("[training]\nseed = 2\nepochs = 0", "run.toml, line 3: training.epochs: found 0, expected 1 to"),
            ("\ntraining.epochs = 0", "run.toml, line 2: training.epochs: found 0"),
            ("training = { seed = 1, epochs = 0 }", "run.toml, line 1: training.epochs: found 0"),
            (
                "[objective]\n\nmargin = 7.0",
                "run.toml, line 3: objective.margin: `am-softmax`: margin is 7.0; expected",
            ),
            (
                "[objective]\nscale = -1.0",
                "run.toml, line 2: objective.scale: `am-softmax`: scale is -1.0; expected",
            ),
            ("[objective]\nname = \"softmax\"\nscale = 2.0", "run.toml, line 3: objective.scale: `softmax`"),
            ("[objective]\nname = \"softmax\"\ntemperature = 0.0", "run.toml, line 3: objective.temperature"),
            (
                "[objective]\nname = \"am-sotfmax\"",
                "run.toml, line 2: objective.name: no objective is called",
            ),
            // the value at fault is a default, so the line is that of the section
            (
                "\n[data]\nclosed_set = false\nunseen_classes = [\"a\", \"a\"]",
                "run.toml, line 4: data.unseen_classes",
            ),
        ] {
            let message = parse(text).expect_err(text).to_string();
            assert!(message.starts_with(expected), "{text}: {message}");
        }
    }
}
