//! Joins the script files of the page into one module.
//!
//! A page opened from disk may not load modules from other files. So each file becomes a block of one module: its imports are
//! dropped and its exports become constants of the module. Two files must not export the same name, which would be a syntax
//! error in the browser.

use crate::Error;
use crate::texts::add;

/// Name and text of a script file.
pub(crate) type ScriptFile = (&'static str, &'static str);

macro_rules! files {
    ($($name:literal),* $(,)?) => { &[$(($name, include_str!(concat!("../page/", $name)))),*] };
}

/// All files; each comes after the files that it imports.
pub(crate) const SCRIPT_FILES: &[ScriptFile] = files![
    "objectives.js",
    "kit.js",
    "figures/requests.js",
    "figures/run.js",
    "figures/plane.js",
    "figures/explode.js",
    "figures/descent.js",
    "figures/smooth.js",
    "figures/push.js",
    "figures/temperature.js",
    "figures/growth.js",
    "figures/scale.js",
    "figures/curves.js",
    "figures/circle.js",
    "figures/ranking.js",
    "figures/features.js",
    "figures/trained.js",
    "figures/choose.js",
    "main.js",
];

/// Joins the files into one module. Each file has its own scope and returns what it exports.
pub(crate) fn joined(files: &[ScriptFile]) -> Result<String, Error> {
    let mut script = String::new();
    for (name, text) in files {
        let wrong = |what: &str| Error::Template(format!("{name}: {what}"));
        if text.contains("</script") {
            return Err(wrong("found '</script', which ends the script element"));
        }
        let mut body = String::new();
        let mut exported = Vec::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("import ") {
                if !rest.ends_with(';') || !rest.contains(" from \"./") && !rest.contains(" from \"../") {
                    return Err(wrong(&format!(
                        "found 'import {rest}'; expected one line that imports a file of the page"
                    )));
                }
                continue;
            }
            let line = if let Some(rest) = line.strip_prefix("export ") {
                let mut words = rest.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'));
                let name = words.nth(1).filter(|name| !name.is_empty());
                exported.push(name.ok_or_else(|| wrong(&format!("found 'export {rest}', expected a name")))?);
                rest
            } else {
                line
            };
            body.push_str(line);
            body.push('\n');
        }
        let names = exported.join(", ");
        if exported.is_empty() {
            add(&mut script, format_args!("// ---- {name}\n{{\n{body}}}\n"));
        } else {
            add(
                &mut script,
                format_args!(
                    "// ---- {name}\nconst {{ {names} }} = (() => {{\n{body}return {{ {names} }};\n}})();\n"
                ),
            );
        }
    }
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_become_one_module() {
        let files: &[ScriptFile] = &[
            (
                "a.js",
                "const hidden = 1;\nexport function one() {\n  return hidden;\n}\nexport const two = 2;\n",
            ),
            ("b.js", "import { one } from \"./a.js\";\none();\n"),
        ];
        let script = joined(files).expect("good");
        assert_eq!(
            script,
            "// ---- a.js\nconst { one, two } = (() => {\nconst hidden = 1;\nfunction one() {\n  return hidden;\n}\nconst two = 2;\nreturn { one, two };\n})();\n// ---- b.js\n{\none();\n}\n"
        );
    }

    #[test]
    fn a_file_that_would_break_the_page_is_an_error() {
        for (text, fragment) in [
            ("import { a } from \"https://example.org/a.js\";", "expected one line"),
            ("import {", "expected one line"),
            ("const a = \"</script>\";", "ends the script element"),
            ("export { a };", "expected a name"),
        ] {
            let error = joined(&[("a.js", text)]).expect_err(text).to_string();
            assert!(error.contains(fragment), "{text}: expected '{fragment}' in: {error}");
        }
    }
}
