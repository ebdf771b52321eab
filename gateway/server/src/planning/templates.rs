//! Templates: those that come with the binary, and those of a directory, which stand above them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use coppice_domain::workflow::planner::{Template, TemplateFault};
use thiserror::Error;

use crate::config::PlansConfig;

/// The templates that come with the binary.
const SHIPPED: [(&str, &str); 5] = [
    ("generic.toml", include_str!("../../../../config/plans/generic.toml")),
    ("monitor_wallet.toml", include_str!("../../../../config/plans/monitor_wallet.toml")),
    ("transfer_funds.toml", include_str!("../../../../config/plans/transfer_funds.toml")),
    ("code_review.toml", include_str!("../../../../config/plans/code_review.toml")),
    ("pull_request_review.toml", include_str!("../../../../config/plans/pull_request_review.toml")),
];

/// Why templates can't be used.
#[derive(Debug, Error)]
pub enum TemplateError {
    /// The directory or a file in it can't be read.
    #[error("{path} can not be read")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// The operating system's reason.
        #[source]
        source: io::Error,
    },
    /// A file is no TOML, or has members that a template hasn't.
    #[error("{file}: {problem}")]
    Misfit {
        /// Which file.
        file: String,
        /// What is wrong, with its place.
        problem: String,
    },
    /// Its plan can't be carried out.
    #[error("{file}")]
    Fault {
        /// Which file.
        file: String,
        /// What is wrong.
        #[source]
        source: TemplateFault,
    },
    /// Two files have templates of one name.
    #[error("{file}: another file has a plan {name} already")]
    Twice {
        /// The second.
        file: String,
        /// The name.
        name: String,
    },
}

/// Templates by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Templates {
    by_name: BTreeMap<String, Template>,
}

impl Templates {
    /// Those that the settings name.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn of(config: &PlansConfig) -> Result<Self, TemplateError> {
        if config.directory.as_os_str().is_empty() {
            Self::shipped()
        } else {
            Self::with_directory(&config.directory)
        }
    }

    /// Those that come with the binary.
    ///
    /// # Errors
    /// [`TemplateError`], which a test of the binary would find.
    pub fn shipped() -> Result<Self, TemplateError> {
        let mut templates = Self::default();
        for (file, text) in SHIPPED {
            templates.add(read(file, text)?, file)?;
        }
        Ok(templates)
    }

    /// Those that come with the binary, and those of a directory: one of the same name stands above
    /// the shipped one.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn with_directory(directory: &Path) -> Result<Self, TemplateError> {
        let unreadable = |path: &Path| {
            let path = path.to_path_buf();
            move |source| TemplateError::Unreadable { path, source }
        };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(unreadable(directory))? {
            paths.push(entry.map_err(unreadable(directory))?.path());
        }
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        let mut own = Self::default();
        for path in paths {
            let text = std::fs::read_to_string(&path).map_err(unreadable(&path))?;
            let file = path.display().to_string();
            own.add(read(&file, &text)?, &file)?;
        }
        let mut templates = Self::shipped()?;
        templates.by_name.extend(own.by_name);
        Ok(templates)
    }

    /// The template of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Template> {
        self.by_name.get(name)
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    fn add(&mut self, template: Template, file: &str) -> Result<(), TemplateError> {
        let (name, file) = (template.name.clone(), file.to_owned());
        match self.by_name.insert(name.clone(), template) {
            None => Ok(()),
            Some(_) => Err(TemplateError::Twice { file, name }),
        }
    }
}

/// By way of JSON: a step's input is kept as JSON text.
fn read(file: &str, text: &str) -> Result<Template, TemplateError> {
    let misfit = |problem: String| TemplateError::Misfit { file: file.to_owned(), problem };
    let table: toml::Table = toml::from_str(text).map_err(|error| misfit(error.to_string()))?;
    let json = serde_json::to_string(&table).map_err(|error| misfit(error.to_string()))?;
    let template: Template =
        serde_json::from_str(&json).map_err(|error| misfit(error.to_string()))?;
    let fault = |source| TemplateError::Fault { file: file.to_owned(), source };
    template.check().map_err(fault)?;
    Ok(template)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"
        name = "own"
        description = "d"
        action_type = "generic"
        risk = "low"
        [[steps]]
        id = "a"
        plugin = "builtin"
        capability = "generic_action"
    "#;

    #[test]
    fn the_shipped_templates_are_sound() {
        let templates = Templates::shipped().unwrap();
        let names: Vec<_> = templates.names().collect();
        assert_eq!(names.len(), SHIPPED.len());
        for (file, _) in SHIPPED {
            assert!(names.contains(&file.strip_suffix(".toml").unwrap()), "{file}");
        }
    }

    #[test]
    fn a_directory_stands_above_what_is_shipped() {
        let directory = tempfile::tempdir().unwrap();
        let own = PLAN.replace("\"own\"", "\"generic\"");
        std::fs::write(directory.path().join("mine.toml"), own).unwrap();
        std::fs::write(directory.path().join("notes.txt"), "not a plan").unwrap();
        let templates = Templates::with_directory(directory.path()).unwrap();
        assert_eq!(templates.get("generic").unwrap().description, "d");
        assert!(templates.get("monitor_wallet").is_some());
    }

    #[test]
    fn what_is_wrong_with_a_template_is_said_with_its_file() {
        for (text, says) in [
            ("name = ", "mine.toml"),
            (&PLAN.replace("risk", "risks"), "risks"),
            (&format!("{PLAN}needs = [\"a\"]"), "a -> a"),
            (&PLAN.replace("risk = \"low\"", "risk = \"low\"\nmain = \"b\""), "main step b"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            std::fs::write(directory.path().join("mine.toml"), text).unwrap();
            let error = Templates::with_directory(directory.path()).unwrap_err();
            let whole = crate::problem::Chain(&error).to_string();
            assert!(whole.contains("mine.toml"), "{whole}");
            assert!(whole.contains(says), "{whole}");
        }
    }

    #[test]
    fn two_files_with_one_name_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        for file in ["a.toml", "b.toml"] {
            std::fs::write(directory.path().join(file), PLAN).unwrap();
        }
        let error = Templates::with_directory(directory.path()).unwrap_err();
        assert!(matches!(error, TemplateError::Twice { name, .. } if name == "own"));
    }
}
