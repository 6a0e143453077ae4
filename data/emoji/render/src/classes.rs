//! Which icons of the packages are the same emoji.

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// A package `@iconify-json/...`.
pub struct Package {
    /// Everything in `icons.json`.
    pub content: Value,
    /// Code points, such as `1f469-200d-1f680`, and names of icons.
    chars: Vec<(String, String)>,
}

impl Package {
    pub fn read(folder: &Path) -> Result<Self> {
        let json = |name: &str| -> Result<Value> {
            let path = folder.join(name);
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            serde_json::from_str(&text).with_context(|| path.display().to_string())
        };
        let chars = json("chars.json")?.as_object().into_iter().flatten().filter_map(|(code, name)| Some((code.clone(), name.as_str()?.to_owned()))).collect();
        Ok(Self { content: json("icons.json")?, chars })
    }

    /// Names of all icons, and names of aliases with the icons they stand for; turned and mirrored aliases are other drawings.
    fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        let icons = self.content["icons"].as_object().into_iter().flatten();
        let icons = icons.map(|(name, _)| (name.as_str(), name.as_str()));
        let aliases = self.content["aliases"].as_object().into_iter().flatten().filter_map(|(name, alias)| {
            let alias = alias.as_object()?;
            if alias.len() == 1 { Some((name.as_str(), alias["parent"].as_str()?)) } else { None }
        });
        icons.chain(aliases)
    }
}

/// One emoji.
pub struct Class {
    /// Code points in hexadecimal, joined by `-`, without variation selectors.
    pub code: String,
    /// Its name in the first package that has it.
    pub name: String,
    /// Package, and name of the icon there.
    pub icons: BTreeMap<usize, String>,
}

/// The emoji of all packages in the order of their code points. Packages without code points are joined by name.
pub fn joined(packages: &[Package]) -> Vec<Class> {
    let mut by_name: HashMap<String, String> = HashMap::new();
    let mut classes: BTreeMap<Vec<u32>, Class> = BTreeMap::new();
    for (vendor, package) in packages.iter().enumerate() {
        for (code, name) in &package.chars {
            let Some((points, code)) = code_points(code) else { continue };
            let class = classes.entry(points).or_insert_with(|| Class { code: code.clone(), name: name.clone(), icons: BTreeMap::new() });
            class.icons.entry(vendor).or_insert_with(|| name.clone());
            by_name.entry(squashed(name)).or_insert(code);
        }
    }
    // Aliases of an icon with code points, and Unicode's own names, which older sets use.
    for package in packages.iter().filter(|package| !package.chars.is_empty()) {
        for (alias, icon) in package.names() {
            if let Some(code) = by_name.get(&squashed(icon)).cloned() {
                by_name.entry(squashed(alias)).or_insert(code);
            }
        }
    }
    for class in classes.values() {
        if let Ok(point) = u32::from_str_radix(&class.code, 16)
            && let Some(name) = char::from_u32(point).and_then(unicode_names2::name)
        {
            by_name.entry(squashed(&name.to_string())).or_insert_with(|| class.code.clone());
        }
    }
    for (vendor, package) in packages.iter().enumerate().filter(|(_, package)| package.chars.is_empty()) {
        for (name, icon) in package.names() {
            let code = by_name.get(&squashed(name)).and_then(|code| code_points(code));
            if let Some(class) = code.and_then(|(points, _)| classes.get_mut(&points)) {
                class.icons.entry(vendor).or_insert_with(|| icon.to_owned());
            }
        }
    }
    classes.into_values().filter(|class| is_wanted(class)).collect()
}

/// Code points without variation selectors.
fn code_points(code: &str) -> Option<(Vec<u32>, String)> {
    let points: Vec<u32> = code.split('-').map(|point| u32::from_str_radix(point, 16)).collect::<Result<_, _>>().ok()?;
    let points: Vec<u32> = points.into_iter().filter(|point| *point != 0xfe0f).collect();
    let text = points.iter().map(|point| format!("{point:x}")).collect::<Vec<_>>().join("-");
    (!points.is_empty()).then_some((points, text))
}

/// Letters and digits of a name in lower case.
fn squashed(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect()
}

/// Not: flags, skin tones, gender variants, clock faces, key caps and single letters, which differ in a detail only or are text.
fn is_wanted(class: &Class) -> bool {
    let points: Vec<u32> = code_points(&class.code).map(|(points, _)| points).unwrap_or_default();
    let has = |range: std::ops::RangeInclusive<u32>| points.iter().any(|point| range.contains(point));
    let is_flag = has(0x1f1e6..=0x1f1ff) || has(0x1f3f3..=0x1f3f4) || class.name.starts_with("flag-");
    let is_toned = has(0x1f3fb..=0x1f3ff);
    let is_gendered = points.windows(2).any(|pair| pair[0] == 0x200d && [0x2640, 0x2642].contains(&pair[1]));
    let is_clock_face = has(0x1f550..=0x1f567);
    let is_key_cap = has(0x20e3..=0x20e3) || (points.len() == 1 && points[0] < 0x100 && points[0] != 0xa9 && points[0] != 0xae);
    let is_letter = has(0x1f170..=0x1f171) || has(0x1f17e..=0x1f17f) || has(0x24c2..=0x24c2);
    !(is_flag || is_toned || is_gendered || is_clock_face || is_key_cap || is_letter)
}
