// The API's documentation: lists the calls of the OpenAPI document, opens and tries them. No library,
// no inline script or style, no request to any other host.
'use strict';

let api = {};
let token = null;

function element(name, text, ...children) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

// What a schema stands for, one example; `seen` ends circles.
function example(schema, seen = []) {
  if (!schema) return null;
  if (schema.$ref) {
    const name = schema.$ref.split('/').pop();
    if (seen.includes(name)) return {};
    return example(api.components.schemas[name], [...seen, name]);
  }
  if ('example' in schema) return schema.example;
  if (schema.enum) return schema.enum[0];
  const one = schema.oneOf || schema.anyOf;
  if (one) return example(one.find((s) => s.type !== 'null') || one[0], seen);
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map((s) => example(s, seen)));
  const type = [].concat(schema.type || 'object').find((t) => t !== 'null');
  if (type === 'array') return [example(schema.items, seen)];
  if (type === 'object') {
    const fields = Object.entries(schema.properties || {});
    return Object.fromEntries(fields.map(([name, s]) => [name, example(s, seen)]));
  }
  return { string: '', integer: 0, number: 0, boolean: false }[type] ?? null;
}

function bodySchema(operation) {
  const content = operation.requestBody && operation.requestBody.content;
  return content && content['application/json'] && content['application/json'].schema;
}

async function tryCall(method, path, inputs, body, shown) {
  let address = path;
  const query = new URLSearchParams();
  for (const [parameter, input] of inputs) {
    if (parameter.in === 'path') {
      address = address.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    } else if (input.value !== '') {
      query.append(parameter.name, input.value);
    }
  }
  if (query.size) address += `?${query}`;
  const headers = { 'x-requested-with': 'api-docs' };
  if (token) headers.authorization = `Bearer ${token}`;
  if (body) headers['content-type'] = 'application/json';
  shown.textContent = '...';
  try {
    const answer = await fetch(address, { method, headers, body: body ? body.value : undefined });
    let text = await answer.text();
    try {
      text = JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      // It is no JSON, and is shown as it is.
    }
    shown.textContent = `${answer.status} ${answer.statusText}\n${text}`;
  } catch (error) {
    shown.textContent = String(error);
  }
}

function filled(call, method, path, operation) {
  if (operation.description) call.append(element('p', operation.description));
  const inputs = (operation.parameters || []).map((parameter) => {
    const input = element('input');
    input.placeholder = parameter.name;
    input.required = Boolean(parameter.required);
    return [parameter, input];
  });
  const parameters = element('table');
  for (const [parameter, input] of inputs) {
    const name = `${parameter.name} (${parameter.in}${parameter.required ? ', required' : ''})`;
    const what = element('td', parameter.description || '');
    parameters.append(element('tr', '', element('td', name), element('td', '', input), what));
  }
  call.append(parameters);
  let body = null;
  if (operation.requestBody) {
    body = element('textarea');
    body.value = JSON.stringify(example(bodySchema(operation)), null, 2);
    body.setAttribute('aria-label', 'body');
    call.append(body);
  }
  const shown = element('pre');
  shown.hidden = true;
  const button = element('button', '试一试 Try');
  button.addEventListener('click', () => {
    shown.hidden = false;
    tryCall(method.toUpperCase(), path, inputs, body, shown);
  });
  call.append(button, shown);
  const answers = element('table');
  for (const [status, answer] of Object.entries(operation.responses)) {
    const content = Object.values(answer.content || {})[0];
    const form = content && content.schema && JSON.stringify(example(content.schema), null, 2);
    const cell = element('td', answer.description || '');
    if (form && Number(status) < 400) cell.append(element('pre', form));
    answers.append(element('tr', '', element('td', status), cell));
  }
  call.append(answers);
}

function list() {
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const method of ['get', 'post', 'put', 'delete', 'patch']) {
      const operation = methods[method];
      if (!operation) continue;
      const call = element('details');
      const summary = element('summary', '', element('b', method.toUpperCase()), `${path} `);
      summary.append(element('span', operation.summary || ''));
      call.append(summary);
      call.dataset.words = `${method} ${path} ${operation.summary || ''}`.toLowerCase();
      call.addEventListener('toggle', () => {
        if (call.open && call.childElementCount === 1) filled(call, method, path, operation);
      });
      const tag = (operation.tags || ['API'])[0];
      if (!groups.has(tag)) groups.set(tag, element('section', '', element('h2', tag)));
      groups.get(tag).append(call);
    }
  }
  const names = [...groups.keys()].sort();
  document.getElementById('calls').replaceChildren(...names.map((name) => groups.get(name)));
}

function search(words) {
  for (const section of document.querySelectorAll('section')) {
    let any = false;
    for (const call of section.querySelectorAll('details')) {
      call.hidden = !call.dataset.words.includes(words);
      any = any || !call.hidden;
    }
    section.hidden = !any;
  }
}

async function signIn(event) {
  event.preventDefault();
  const form = event.target;
  const told = form.querySelector('output');
  const given = JSON.stringify(Object.fromEntries(new FormData(form)));
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch('/api/v5/login', { method: 'POST', headers, body: given });
  const body = await answer.json();
  token = body.token || null;
  told.textContent = token ? '✓' : body.message;
}

async function start() {
  document.getElementById('sign-in').addEventListener('submit', signIn);
  const words = document.getElementById('search');
  words.addEventListener('input', () => search(words.value.trim().toLowerCase()));
  const answer = await fetch('/api-docs/swagger.json');
  api = await answer.json();
  list();
}

start();
