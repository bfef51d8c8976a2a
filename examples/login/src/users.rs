//! The users: who they are, and what they may do.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::db::{Db, on_either};
use crate::error::AppError;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May list notes.
    Reader,
    /// May create notes.
    Writer,
    /// May delete notes, list users and change their roles.
    Admin,
}

impl Role {
    const ALL: [Self; 3] = [Self::Reader, Self::Writer, Self::Admin];

    /// The name that stands in tokens.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Admin => "admin",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// A name to log in with: 3 to 32 of `a` to `z`, digits, `.`, `-` and `_`, a letter first. Capital letters count as
/// small ones, so that nobody can pass for `alice` as `Alice`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Username(String);

impl Username {
    /// The name, if it can be one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let fits = (3..=32).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text.bytes().all(legal);
        fits.then(|| Self(text.to_ascii_lowercase()))
    }

    /// The name in small letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One user.
#[derive(Clone)]
pub struct User {
    /// The `sub` of tokens: random, so that a name can change hands and a token cannot.
    pub id: String,
    /// The name to log in with.
    pub username: String,
    /// A PHC string.
    pub password_hash: String,
    /// What this user may do.
    pub roles: Vec<Role>,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id).field("roles", &self.roles).finish_non_exhaustive()
    }
}

/// The table of users.
#[derive(Clone, Debug)]
pub struct Users(pub Db);

impl Users {
    /// Adds a user; `None` if the name is taken.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn add(&self, name: &Username, hash: String, roles: &[Role]) -> Result<Option<User>, AppError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)?;
        let user = User {
            id: format!("{:032x}", u128::from_be_bytes(id)),
            username: name.0.clone(),
            password_hash: hash,
            roles: roles.to_vec(),
        };
        let insert = "INSERT INTO users (id, username, password_hash, roles) VALUES ($1, $2, $3, $4)
             ON CONFLICT (username) DO NOTHING";
        let added = on_either!(&self.0, pool => {
            let insert = sqlx::query(insert).bind(&user.id).bind(&user.username).bind(&user.password_hash);
            insert.bind(joined(&user.roles)).execute(pool).await?.rows_affected()
        });
        Ok((added == 1).then_some(user))
    }

    /// The user of this name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn by_name(&self, name: &Username) -> Result<Option<User>, AppError> {
        self.one("SELECT id, username, password_hash, roles FROM users WHERE username = $1", &name.0).await
    }

    /// The user of this `sub`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn by_id(&self, id: &str) -> Result<Option<User>, AppError> {
        self.one("SELECT id, username, password_hash, roles FROM users WHERE id = $1", id).await
    }

    async fn one(&self, select: &'static str, key: &str) -> Result<Option<User>, AppError> {
        let row = on_either!(&self.0, pool => sqlx::query_as(select).bind(key).fetch_optional(pool).await?);
        Ok(row.map(User::of))
    }

    /// The first hundred, by name.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn list(&self) -> Result<Vec<User>, AppError> {
        let select = "SELECT id, username, password_hash, roles FROM users ORDER BY username LIMIT 100";
        let rows = on_either!(&self.0, pool => sqlx::query_as(select).fetch_all(pool).await?);
        Ok(rows.into_iter().map(User::of).collect())
    }

    /// Replaces the hash `old`, unless somebody else already has.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn replace_hash(&self, id: String, old: String, new: String) -> Result<(), AppError> {
        let update = "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2";
        on_either!(&self.0, pool => {
            sqlx::query(update).bind(id).bind(old).bind(new).execute(pool).await?;
        });
        Ok(())
    }

    /// Gives the user of this name these roles and no others; `false` if there is no such user.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn set_roles(&self, name: &Username, roles: &[Role]) -> Result<bool, AppError> {
        let update = "UPDATE users SET roles = $2 WHERE username = $1";
        let changed = on_either!(&self.0, pool => {
            sqlx::query(update).bind(&name.0).bind(joined(roles)).execute(pool).await?.rows_affected()
        });
        Ok(changed == 1)
    }
}

/// The columns of a user, in the order of the statements.
type Columns = (String, String, String, String);

impl User {
    fn of((id, username, password_hash, roles): Columns) -> Self {
        // A name that this program does not know grants nothing.
        Self { id, username, password_hash, roles: roles.split(' ').filter_map(Role::parse).collect() }
    }
}

/// Each of them once, so that no token gets too long for a cookie.
fn joined(roles: &[Role]) -> String {
    let given = Role::ALL.into_iter().filter(|role| roles.contains(role));
    given.map(Role::as_str).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (text, name) in [("bob", "bob"), ("Alice", "alice"), ("a.b-c_9", "a.b-c_9")] {
            assert_eq!(Username::parse(text).unwrap().as_str(), name);
        }
        assert!(Username::parse(&"a".repeat(32)).is_some());
        let long = "a".repeat(33);
        for text in ["", "ab", &long, "9ab", ".ab", "a b", "alïce", "аlice", "bob\n", "bob\0", "a/b", "<b>x"]
        {
            assert_eq!(Username::parse(text), None, "{text:?}");
        }
    }

    #[tokio::test]
    async fn one_name_one_user() {
        let dir = tempfile::tempdir().unwrap();
        let users = Users(Db::open_users(&dir.path().join("users.db")).await.unwrap());
        let bob = Username::parse("bob").unwrap();
        let added = users.add(&bob, "hash".to_owned(), &[Role::Reader, Role::Writer]).await.unwrap().unwrap();
        assert!(users.add(&bob, "other".to_owned(), &[Role::Admin]).await.unwrap().is_none());
        let found = users.by_id(&added.id).await.unwrap().unwrap();
        assert_eq!((found.username.as_str(), found.password_hash.as_str()), ("bob", "hash"));
        assert_eq!(found.roles, [Role::Reader, Role::Writer]);
        assert!(users.by_id("bob").await.unwrap().is_none());

        users.replace_hash(added.id.clone(), "gone".to_owned(), "late".to_owned()).await.unwrap();
        assert_eq!(users.by_name(&bob).await.unwrap().unwrap().password_hash, "hash");
        users.replace_hash(added.id, "hash".to_owned(), "new".to_owned()).await.unwrap();
        assert!(users.set_roles(&bob, &[Role::Admin; 900]).await.unwrap());
        let found = users.by_name(&bob).await.unwrap().unwrap();
        assert_eq!((found.password_hash.as_str(), found.roles), ("new", vec![Role::Admin]));
        assert!(!users.set_roles(&Username::parse("eve").unwrap(), &[]).await.unwrap());
        assert_eq!(users.list().await.unwrap().len(), 1);
    }
}
