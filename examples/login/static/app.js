// The page: what a browser does with a session whose tokens it cannot read.

const $ = (id) => document.getElementById(id);
const other = new BroadcastChannel("session"); // the other tabs
let session = null; // what GET /api/session said, and when the token expires by the clock of this computer
let refreshes = 0;
let refreshTimer = 0;
let refreshing = null;

// ---- asking the server ----

async function send(method, path, body, options = {}) {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  const text = body === undefined ? undefined : JSON.stringify(body);
  const answer = await fetch(path, { method, headers, body: text, ...options });
  const raw = await answer.text();
  const isJson = (answer.headers.get("content-type") ?? "").includes("json");
  record(method, path, answer.status);
  return { status: answer.status, ok: answer.ok, data: isJson ? JSON.parse(raw) : null, wait: answer.headers.get("retry-after") };
}

// For the protected routes: a token that is refused is exchanged, and the request sent once more.
async function call(method, path, body) {
  const answer = await send(method, path, body);
  if (answer.status !== 401) return answer;
  await refresh();
  return session ? send(method, path, body) : answer;
}

function problem(answer) {
  if (answer.wait) return `Too many attempts: try again in ${answer.wait} seconds.`;
  return answer.data?.error_description ?? `The server answered ${answer.status}.`;
}

// ---- the session ----

async function load(mayRefresh = true) {
  const answer = await send("GET", "/api/session").catch(() => null);
  if (answer?.ok && answer.data.active) return signedIn(answer.data);
  if (answer?.ok && !answer.data.refreshable) return signedOut();
  if (mayRefresh && (answer?.ok || answer?.status === 401)) return refresh();
  later();
}

// The server is away or busy. No session is over because of that.
function later() {
  notice("The server does not answer; trying again.");
  clearTimeout(refreshTimer);
  refreshTimer = setTimeout(load, 5000);
}

// Several callers at once share one refresh.
function refresh() {
  refreshing ??= exchange().finally(() => { refreshing = null; });
  return refreshing;
}

async function exchange() {
  const answer = await send("POST", "/session/refresh", {}).catch(() => null);
  if (answer?.ok) {
    refreshes += 1;
    other.postMessage("changed");
    return load(false);
  }
  if (answer?.status === 400) return signedOut(session ? problem(answer) : "");
  later();
}

function signedIn({ header, claims, now }) {
  const isNew = session?.claims.sid !== claims.sid;
  if (isNew) refreshes = session ? 0 : refreshes;
  session = { header, claims, expires: Date.now() + (claims.exp - now) * 1000 };
  notice("");
  $("signed-out").hidden = true;
  $("signed-in").hidden = $("account").hidden = false;
  $("user-name").textContent = claims.preferred_username;
  $("user-roles").replaceChildren(...claims.roles.map((role) => el("span", { className: "chip" }, role)));
  $("refresh-count").textContent = refreshes;
  table($("token-header"), header);
  table($("token-claims"), claims);
  const life = (claims.exp - claims.iat) * 1000;
  const at = Math.max(session.expires - Math.min(30_000, life / 5), Date.now() + 1000);
  clearTimeout(refreshTimer);
  refreshTimer = setTimeout(refresh, at - Date.now());
  $("refresh-at").textContent = new Date(at).toLocaleTimeString();
  tick();
  const isAdmin = claims.roles.includes("admin");
  if (isAdmin && $("users-card").hidden) listUsers().catch(later);
  $("users-card").hidden = !isAdmin;
  if (isNew) listNotes().catch(later);
}

function signedOut(why = "") {
  clearTimeout(refreshTimer);
  const before = session;
  session = null;
  refreshes = 0;
  $("signed-in").hidden = $("account").hidden = $("answer").hidden = $("users-card").hidden = true;
  $("signed-out").hidden = false;
  $("log").replaceChildren();
  $("notes").replaceChildren();
  $("users").replaceChildren();
  notice(why);
  if (before) $("login-username").focus();
}

async function logOut(path) {
  const answer = await (path.startsWith("/api/") ? call("POST", path, {}) : send("POST", path, {}));
  if (!answer.ok && session) return notice(problem(answer));
  other.postMessage("changed");
  signedOut("You are logged out.");
}

// ---- showing things: text only, never markup ----

function el(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

const MEANING = {
  alg: () => "how it is signed",
  typ: () => "an access token, and nothing else",
  kid: () => "which of the public keys fits",
  iss: () => "who issued it",
  aud: () => "whom it is for",
  sub: () => "you, by an id that is never used again",
  iat: (seconds) => `issued at ${time(seconds)}`,
  auth_time: (seconds) => `logged in at ${time(seconds)}`,
  exp: (seconds) => `expires at ${time(seconds)}`,
  jti: () => "this one token",
  sid: () => "this session, which a logout ends",
  client_id: () => "the application that asked for it",
  roles: () => "what you may do",
  preferred_username: () => "your name, to be shown",
};

const time = (seconds) => new Date(seconds * 1000).toLocaleTimeString();

function table(list, members) {
  list.replaceChildren(...Object.entries(members).map(([name, value]) => {
    const row = el("div", {}, el("dt", {}, name), el("dd", { className: "value" }, JSON.stringify(value)));
    row.dataset.claim = name;
    if (MEANING[name]) row.append(el("dd", { className: "meaning" }, MEANING[name](value)));
    return row;
  }));
}

function tick() {
  if (!session) return;
  const left = Math.max(0, session.expires - Date.now());
  const seconds = Math.ceil(left / 1000);
  $("countdown").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  const share = (100 * left) / ((session.claims.exp - session.claims.iat) * 1000);
  $("ring").setAttribute("stroke-dasharray", `${Math.min(100, share)} 100`);
}

function badge(status) {
  return el("span", { className: `status ${status < 400 ? "good" : "bad"}` }, String(status));
}

function record(method, path, status) {
  const line = el("li", {}, el("span", { className: "muted" }, new Date().toLocaleTimeString()), badge(status), el("code", {}, `${method} ${path}`));
  $("log").prepend(line);
  while ($("log").children.length > 50) $("log").lastChild.remove();
}

function show(method, path, answer) {
  $("answer").hidden = false;
  $("answer-request").textContent = `${method} ${path}`;
  $("answer-status").className = badge(answer.status).className;
  $("answer-status").textContent = answer.status;
  $("answer-body").textContent = answer.data === null ? "(no body)" : JSON.stringify(answer.data, null, 2);
}

// ---- notes and users ----

async function listNotes() {
  const { ok, data } = await call("GET", "/api/notes");
  if (!ok) return $("notes").replaceChildren();
  $("notes").replaceChildren(...data.map((note) => {
    const remove = el("button", { type: "button", className: "quiet", onclick: () => change("DELETE", `/api/notes/${note.id}`) }, "Delete");
    remove.setAttribute("aria-label", `Delete the note: ${note.text}`);
    return el("li", {}, el("p", {}, note.text, el("small", {}, `${note.author}, ${new Date(note.created * 1000).toLocaleString()}`)), remove);
  }));
}

async function change(method, path, body) {
  const answer = await call(method, path, body);
  show(method, path, answer);
  if (answer.ok) await listNotes();
  return answer.ok;
}

async function listUsers() {
  const { ok, data } = await call("GET", "/api/users");
  if (!ok) return $("users").replaceChildren();
  $("users").replaceChildren(...data.map(({ username, roles }) => {
    const boxes = ["reader", "writer", "admin"].map((role) => {
      const box = el("input", { type: "checkbox", value: role, checked: roles.includes(role) });
      return el("label", {}, box, ` ${role}`);
    });
    const set = el("fieldset", { disabled: username === session?.claims.preferred_username }, ...boxes);
    set.setAttribute("aria-label", `Roles of ${username}`);
    set.addEventListener("change", async () => {
      const chosen = [...set.querySelectorAll(":checked")].map((box) => box.value);
      const path = `/api/users/${username}/roles`;
      show("PUT", path, await call("PUT", path, chosen));
      listUsers();
    });
    return el("li", {}, el("span", {}, username), set);
  }));
}

// ---- what the buttons do ----

function onSubmit(name, action) {
  const form = $(`${name}-form`);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button:not([type])");
    button.disabled = true;
    try {
      await action(Object.fromEntries(new FormData(form)), form);
    } catch {
      notice("The server does not answer.");
    } finally {
      button.disabled = false;
    }
  });
}

async function logIn(credentials, form, message) {
  message.textContent = "";
  const answer = await send("POST", "/session/login", credentials);
  if (!answer.ok) return void (message.textContent = problem(answer));
  form.reset();
  other.postMessage("changed");
  await load();
  if (session) $("signed-in").focus();
  else notice("The browser did not keep the cookies. Open this page as http://localhost, or over https.");
}

onSubmit("login", (credentials, form) => logIn(credentials, form, $("login-message")));

onSubmit("signup", async (credentials, form) => {
  $("signup-message").textContent = "";
  const answer = await send("POST", "/api/signup", credentials);
  if (!answer.ok) return void ($("signup-message").textContent = problem(answer));
  await logIn(credentials, form, $("signup-message"));
  swap("login");
});

onSubmit("note", async (note, form) => {
  if (await change("POST", "/api/notes", note)) form.reset();
});

function swap(to) {
  for (const name of ["login", "signup"]) $(`${name}-form`).hidden = name !== to;
}

function onClick(id, action) {
  $(id).addEventListener("click", () => Promise.resolve(action()).catch(() => notice("The server does not answer.")));
}

onClick("show-signup", () => { swap("signup"); $("signup-username").focus(); });
onClick("show-login", () => { swap("login"); $("login-username").focus(); });
onClick("refresh-button", refresh);
onClick("logout-button", () => logOut("/session/logout"));
onClick("logout-everywhere-button", () => logOut("/api/logout-everywhere"));
onClick("try-allowed", async () => show("GET", "/api/notes", await call("GET", "/api/notes")));
onClick("try-forbidden", async () => show("GET", "/api/users", await call("GET", "/api/users")));
onClick("try-anonymous", async () => show("GET", "/api/notes", await send("GET", "/api/notes", undefined, { credentials: "omit" })));

other.addEventListener("message", () => load());
document.addEventListener("visibilitychange", () => {
  // Timers sleep with the computer.
  if (!document.hidden && session && session.expires < Date.now()) refresh();
});
setInterval(tick, 500);
load();
