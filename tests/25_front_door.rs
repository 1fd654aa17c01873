//! Chapter 25: who may come in to the dashboard and the REST API, and what is kept of that.

use serde_json::json;

use crate::wire::{Api, Broker, PASSWORD};

/// Row H01. On fresh data admin/public signs in from this machine and looks at everything; each call
/// that changes something is refused with the code that says what to do first. Once a password is
/// set, public is gone for good.
#[test]
fn h01_default_password_may_look_and_nothing_else() {
    let mut broker = Broker::start();
    let mut api = broker.api();
    let told = api.sign_in("admin", "public");
    assert_eq!(told["must_set_password"], json!(true));
    assert_eq!(told["license"]["edition"], json!("opensource"));
    let users = api.get("/users").expect(200).json();
    assert_eq!(users[0]["username"], json!("admin"));
    let new = json!({"username": "anna", "password": "correct-horse", "description": ""});
    let refused = api.post("/users", &new).expect(403);
    assert_eq!(refused.code(), "SET_PASSWORD_FIRST");
    assert_eq!(
        api.delete("/users/anna").expect(403).code(),
        "SET_PASSWORD_FIRST"
    );

    let change = |old: &str, new: &str| json!({"old_pwd": old, "new_pwd": new});
    let path = "/users/admin/change_pwd";
    for weak in ["public", "Public123", "short-1", "lettersonly"] {
        assert_eq!(
            api.post(path, &change("public", weak)).expect(400).code(),
            "BAD_REQUEST"
        );
    }
    let wrong = api.post(path, &change("wrong", PASSWORD)).expect(400);
    assert_eq!(wrong.code(), "ERROR_PWD_NOT_MATCH");
    api.post(path, &change("public", PASSWORD)).expect(204);
    assert_eq!(api.get("/users").expect(401).code(), "BAD_TOKEN");

    broker.kill_and_restart();
    let mut api = broker.api();
    let default = json!({"username": "admin", "password": "public"});
    assert_eq!(
        api.post("/login", &default).expect(401).code(),
        "BAD_USERNAME_OR_PWD"
    );
    let told = api.sign_in("admin", PASSWORD);
    assert_eq!(told["must_set_password"], json!(false));
    api.post("/users", &new).expect(200);
    assert_eq!(
        api.put(path, &change(PASSWORD, "public"))
            .expect(400)
            .code(),
        "BAD_REQUEST"
    );
}

/// Row H03. With a password of the environment, admin/public never existed.
#[test]
fn h03_password_of_the_environment() {
    let (broker, mut api) = Broker::signed_in(&[]);
    let default = json!({"username": "admin", "password": "public"});
    let refused = Api::new(broker.http).post("/login", &default).expect(401);
    assert_eq!(refused.code(), "BAD_USERNAME_OR_PWD");
    api.get("/users").expect(200);
}
