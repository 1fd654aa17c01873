//! The description of the API that the dashboard's client is made from: it is that of the API, and whole.

#[test]
fn the_dashboard_knows_this_api() {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/openapi.json");
    let kept = std::fs::read_to_string(kept).expect("web/openapi.json");
    let is = kept.trim_end() == api::document().trim_end();
    assert!(
        is,
        "web/openapi.json is stale; write it anew: cargo xtask openapi"
    );
}

#[test]
fn every_name_in_it_is_described() {
    let document = api::document();
    let named = document.split("\"#/components/schemas/").skip(1);
    let named = named.filter_map(|rest| rest.split('"').next());
    for name in named {
        let described = document.contains(&format!("\n      \"{name}\": {{"));
        assert!(described, "{name} is used and not described");
    }
}
