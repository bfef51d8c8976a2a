//! The settings.

use std::time::Duration;

use observability::config::Config;

#[test]
fn settings_are_read_and_mistakes_are_named() {
    let read = |set: &'static [(&str, &str)]| {
        Config::read(|name| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    };
    let usual = read(&[]).unwrap();
    assert!(usual.listen.ip().is_loopback() && usual.admin.ip().is_loopback());
    assert_ne!(usual.listen, usual.admin);
    assert_eq!((usual.issuer, usual.max_age), (None, None));
    let set =
        read(&[("ADMIN_LISTEN", "0.0.0.0:9464"), ("KEYS_STALE", "20"), ("ISSUER", "https://id.example.com")]);
    let set = set.unwrap();
    assert_eq!(set.admin.to_string(), "0.0.0.0:9464");
    assert_eq!(
        (set.stale, set.issuer.as_deref()),
        (Some(Duration::from_secs(20)), Some("https://id.example.com"))
    );
    assert_eq!(read(&[("LISTEN", "3000")]).unwrap_err(), "LISTEN: \"3000\" should be like 127.0.0.1:3000");
    assert_eq!(
        read(&[("KEYS_MAX_AGE", "1h")]).unwrap_err(),
        "KEYS_MAX_AGE: \"1h\" should be a number of seconds"
    );
}
