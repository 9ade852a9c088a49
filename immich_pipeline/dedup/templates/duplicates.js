"use strict";
(() => {
  const PER_PAGE = 50, UNITS_SHOWN = 8;
  const CHOICES = {
    accept: { label: "Accept", key: "a", said: "accepted" },
    reject: { label: "Keep all", key: "r", said: "all kept" },
    dismiss: { label: "Not a duplicate", key: "d", said: "not a duplicate" },
  };

  const byId = (id) => document.getElementById(id);
  const index = JSON.parse(byId("index").textContent);
  const columns = index.columns;
  const count = columns.id.length;
  const place = new Map(columns.id.map((id, i) => [id, i]));
  const titles = new Map(index.classes.map((entry) => [entry.name, entry.title]));

  // The lines are kept as text: a set is taken apart when it is shown, a picture is read when it is shown.
  let setLines = null, pictureLines = null;
  const setAt = (i) => {
    setLines ??= byId("sets").textContent.split("\n");
    return JSON.parse(setLines[i]);
  };
  const pictureAt = (i) => {
    pictureLines ??= byId("pictures").textContent.split("\n");
    return pictureLines[i];
  };

  // ---- words

  const called = (table, name) => (Object.hasOwn(index.words[table], name) ? index.words[table][name] : name.replaceAll("_", " "));
  const explained = (conflict) => (Object.hasOwn(index.words.explanations, conflict) ? index.words.explanations[conflict] : null);
  const number = (value) => value.toLocaleString("en");
  const plural = (n, one, many) => `${number(n)} ${n === 1 ? one : many}`;
  const bytes = (size) => {
    const units = ["kB", "MB", "GB", "TB"];
    if (size < 1000) return `${size} bytes`;
    let unit = -1;
    for (; size >= 999.95 && unit < units.length - 1; unit++) size /= 1000;
    return `${size.toFixed(1)} ${units[unit]}`;
  };
  const metres = (m) => (m < 1000 ? `${m} m` : m < 10000 ? `${(m / 1000).toFixed(1)} km` : `${number(Math.round(m / 1000))} km`);
  const taken = (file) => {
    const text = file.taken_at_local || file.taken_at;
    if (!text) return "";
    const whole = text.slice(0, 19).replace("T", " ");
    const fraction = file.subsec || (text.slice(19).match(/^\.(\d+)/) || ["", ""])[1].replace(/0+$/, "");
    return whole + (fraction ? `.${fraction}` : "") + (file.taken_at_local ? "" : " UTC");
  };
  const offset = (minutes) => {
    const m = Math.abs(minutes), pad = (n) => String(n).padStart(2, "0");
    return `UTC${minutes < 0 ? "−" : "+"}${pad(Math.floor(m / 60))}:${pad(m % 60)}`;
  };
  const camera = (file) => {
    const make = (file.make || "").trim(), model = (file.model || "").trim();
    return model.toLowerCase().startsWith(make.toLowerCase()) ? model : `${make} ${model}`.trim();
  };
  const position = (file) => {
    if (!file.has_position) return "no";
    if (file.metres_from_keeper === undefined) return "yes";
    return file.metres_from_keeper ? `yes, ${metres(file.metres_from_keeper)} away` : "yes, the same";
  };
  const yes = (value) => (value ? "yes" : "");
  const some = (value) => (value ? String(value) : "");

  // Label, what is shown, and (where not the same) what is compared.
  const FACTS = [
    ["Size", (f) => (f.size === undefined ? "" : bytes(f.size))],
    ["Picture", (f) => (f.width && f.height ? `${f.width} × ${f.height}` : "")],
    ["Format", (f) => (f.format || "").toUpperCase()],
    ["Taken", taken],
    ["Time zone", (f) => f.time_zone || (f.utc_offset_minutes === undefined ? "" : offset(f.utc_offset_minutes))],
    ["Camera", camera],
    ["Lens", (f) => f.lens || ""],
    ["GPS position", position, (f) => (f.has_position ? f.metres_from_keeper || 0 : -1)],
    ["Place name", (f) => yes(f.has_place)],
    ["Favourite", (f) => yes(f.favourite)],
    ["Rating", (f) => some(f.rating)],
    ["Albums", (f) => some(f.albums)],
    ["Tags", (f) => (f.tags || []).join(", ")],
    ["Description", (f) => f.description || ""],
    ["People", (f) => some(f.people)],
    ["Live video", (f) => yes(f.live_video)],
    ["Stacked", (f) => yes(f.stacked)],
    ["Edited", (f) => yes(f.edited)],
    ["Shown in", (f) => (f.visibility === "timeline" ? "" : f.visibility || "")],
    ["Stored in", (f) => (f.stored ? called("stored", f.stored) : "")],
    ["Metadata score", (f) => some(f.score)],
    ["Immich groups it", (f) => yes(f.immich_agrees)],
    ["Immich's distance", (f) => (f.clip_distance === undefined ? "" : f.clip_distance.toFixed(3))],
  ];

  // ---- elements: every text goes in as text

  const el = (tag, attributes, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === true) node.setAttribute(name, "");
      else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
    }
    node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ""));
    return node;
  };
  const name = (file) => el("bdi", null, file.name || "a file that is gone");
  const button = (label, attributes, key) =>
    el("button", { type: "button", "aria-keyshortcuts": key, ...attributes }, label, key ? el("kbd", { "aria-hidden": "true" }, key) : null);

  // ---- choices: set id -> [choice, unit to keep (or null)]; kept in this browser under the plan they are about

  const STORE = `immich-pipeline/review/${index.plan.policy}/${index.plan.fingerprint}`;
  let remembers = true, downloaded = true;
  const choices = new Map();
  const remember = () => {
    try {
      if (choices.size) localStorage.setItem(STORE, JSON.stringify([...choices]));
      else localStorage.removeItem(STORE);
    } catch {
      remembers = false;
      byId("stored").hidden = false;
    }
  };
  const recall = () => {
    try {
      for (const [id, said] of JSON.parse(localStorage.getItem(STORE) || "[]"))
        if (place.has(id) && Array.isArray(said) && said[0] in CHOICES) choices.set(id, [said[0], said[1] ?? null]);
    } catch {
      remembers = false;
      byId("stored").hidden = false;
    }
  };

  // ---- a set and its units

  const unitsOf = (set) => {
    const units = new Map();
    for (const file of set.files) units.get(file.unit)?.push(file) ?? units.set(file.unit, [file]);
    return units;
  };
  const keeperUnit = (set) => set.files.find((file) => file.asset_id === set.keeper).unit;
  // The file that stands for a unit: the keeper itself, else the one with the keeper's part in its capture.
  const leadOf = (set, files) => {
    const keeper = set.files.find((file) => file.asset_id === set.keeper);
    return (
      files.find((file) => file === keeper) ||
      files.find((file) => file.capture_role === keeper.capture_role && file.kind === keeper.kind) ||
      files.find((file) => file.kind === "image") || files[0]
    );
  };
  const contentsOf = (files) => new Set(files.filter((file) => file.of_set).map((file) => file.content).filter(Boolean));
  const sameBytes = (set) => contentsOf(set.files).size < 2;
  const accepts = (set) => set.becomes !== "nothing" && set.files.some((file) => file.role === "loser" && !file.obstacle);

  const isInFolders = (set) => set.files.every((file) => file.stored === "folder");

  const choose = (i, choice, unit) => {
    const set = setAt(i);
    if (choice === "dismiss" && sameBytes(set)) return tell("These files have the same bytes: they are copies. Keep all leaves them alone.");
    if (choice === "accept" && !unit && !accepts(set)) return tell("Nothing is proposed for this group.");
    if (choice) choices.set(set.id, [choice, unit ?? null]);
    else choices.delete(set.id);
    downloaded = false;
    remember();
    redraw(i);
    showChosen();
    tell(`Group ${shownNumber(i)}: ${choice ? (unit ? "another one is kept" : CHOICES[choice].said) : "undecided"}`);
  };
  const swap = (i) => {
    const set = setAt(i), units = unitsOf(set), ids = [...units.keys()];
    const now = (choices.get(set.id) || [])[1] || keeperUnit(set);
    if (ids.length < 2) return tell("There is no other one to keep.");
    const next = ids[(ids.indexOf(now) + 1) % ids.length];
    choose(i, "accept", next === keeperUnit(set) ? null : next);
  };
  const tell = (text) => { byId("said").textContent = text; };

  // ---- one group

  const factRows = (leads) => {
    const rows = FACTS.map(([label, text, key]) => ({ label, texts: leads.map(text), keys: leads.map(key || text) }));
    return rows
      .filter((row) => row.texts.some((text) => text && text !== "no") || row.label === "GPS position")
      .map((row) => ({ ...row, differs: new Set(row.keys).size > 1 }));
  };
  const drawFacts = (rows, n) =>
    el("dl", null, rows.map((row) =>
      el("div", { class: row.differs ? "differs" : null }, el("dt", null, row.label),
        el("dd", null, row.differs ? el("mark", null, row.texts[n] || "–") : row.texts[n] || "–"))));
  const fileList = (files, lead) =>
    files.length < 2 ? null : el("ul", { class: "files" }, files.map((file) =>
      el("li", null, name(file), ` ${(file.capture_role || file.role || "").replaceAll("_", " ")}${file.size === undefined ? "" : `, ${bytes(file.size)}`}`,
        file === lead ? " (shown)" : "")));
  const fateOf = (view, unit, files) => {
    if (view.choice === "reject" || view.choice === "dismiss") return ["kept", "Stays"];
    if (unit === view.keep) return ["kept", view.choice ? "Kept" : "Would be kept"];
    const obstacle = files.find((file) => file.obstacle)?.obstacle;
    if (obstacle) return ["stays", `Stays: ${obstacle}`];
    if (!view.choice && (view.set.verdict === "keep" || !accepts(view.set))) return ["stays", "Stays"];
    return ["given", view.choice ? "Given up" : "Would be given up"];
  };
  const drawUnit = (view, unit, files, n) => {
    const lead = view.leads[n], [fate, words] = fateOf(view, unit, files);
    const picture = lead.picture === undefined ? el("div", { class: "blank" }, "no preview")
      : el("img", { src: pictureAt(lead.picture), alt: `Thumbnail of ${lead.name || "a file"}`, loading: "lazy", decoding: "async" });
    const immich = files.some((file) => file.asset_id === view.set.immich.keeps);
    return el("article", { class: fate, "data-unit": unit }, picture,
      el("p", { class: "fate" }, el("strong", null, words), immich ? el("span", { class: "immich" }, "Immich’s choice") : null),
      el("h3", null, name(lead)), el("p", { class: "folder" }, el("bdi", null, lead.folder || "top folder")),
      drawFacts(view.rows, n), fileList(files, lead),
      unit !== view.keep
        ? button("Keep this one", { "data-keep": unit, "aria-label": `Keep ${lead.name || "this one"} instead` }) : null);
  };
  const drawImmich = (view) => {
    const { keeps, loses } = view.set.immich;
    const file = view.set.files.find((entry) => entry.asset_id === keeps);
    if (!file) return null;
    if (!loses.length)
      return el("p", { class: "immich-note" }, "Immich would keep ", file.unit === keeperUnit(view.set) ? "the same one" : name(file), ", and nothing would be lost.");
    return el("p", { class: "immich-note loses" }, "Immich would keep ", name(file), " and lose: ", el("mark", null, loses.join(", ")));
  };
  const drawSteps = (view) => {
    if (!view.set.steps.length) return null;
    const ids = [...view.units.keys()];
    const nameOf = (unit) => name(view.leads[ids.indexOf(unit)] || {});
    const details = el("details", { class: "steps" }, el("summary", null, "All steps of the decision"));
    details.addEventListener("toggle", () => {
      if (details.childElementCount > 1) return;
      details.append(el("ol", null, view.set.steps.map((step) =>
        el("li", { class: step.decided ? "decided" : null },
          el("strong", null, called("steps", step.step)), step.decided ? " – decided here" : "",
          el("dl", null, Object.entries(step.compared).map(([unit, text]) =>
            el("div", { class: step.left.includes(unit) ? null : "out" }, el("dt", null, nameOf(unit)), el("dd", null, text || "–"))))))));
    });
    return details;
  };
  const reasonOf = (set) => {
    const step = set.steps.find((entry) => entry.decided);
    return el("p", { class: "reason" }, "Decided by: ", el("strong", null, called("steps", step ? step.step : set.decided_by)),
      accepts(set) ? ` · ${called("becomes", set.becomes === "trash" && isInFolders(set) ? "quarantine" : set.becomes)}` : "");
  };
  const viewOf = (i) => {
    const set = setAt(i), units = unitsOf(set), [choice, unit] = choices.get(set.id) || [null, null];
    const decided = keeperUnit(set), keep = units.has(unit) ? unit : decided;
    const leads = [...units.values()].map((files) => leadOf(set, files));
    return { i, set, units, leads, choice, keep, swapped: keep !== decided, rows: factRows(leads) };
  };
  const drawActions = (view) => {
    const pressed = (choice) => (view.choice === choice && !(choice === "accept" && view.swapped) ? "true" : "false");
    return el("div", { class: "actions", role: "group", "aria-label": "Your choice" },
      button("Accept", { "data-choice": "accept", "aria-pressed": pressed("accept"), disabled: !accepts(view.set) }, "a"),
      button("Swap", { "data-choice": "swap", "aria-pressed": view.choice === "accept" && view.swapped ? "true" : "false",
        disabled: view.units.size < 2 }, "s"),
      button("Keep all", { "data-choice": "reject", "aria-pressed": pressed("reject") }, "r"),
      button("Not a duplicate", { "data-choice": "dismiss", "aria-pressed": pressed("dismiss"), disabled: sameBytes(view.set) }, "d"),
      button("Undecided", { "data-choice": "", "aria-pressed": view.choice ? "false" : "true" }, "u"));
  };
  const drawGroup = (i, all) => {
    const view = viewOf(i), set = view.set, units = [...view.units];
    const shown = all ? units : units.slice(0, UNITS_SHOWN);
    const section = el("section", { "data-set": i, "data-choice-made": view.choice, tabindex: "-1", "aria-labelledby": `group-${i}` },
      el("h2", { id: `group-${i}` }, el("span", { class: "number" }, number(shownNumber(i))), " ",
        el("span", { class: `badge ${set.class}` }, titles.get(set.class) || set.class), " ",
        el("span", { class: `verdict ${set.verdict}` }, called("verdicts", set.verdict)), " ",
        el("span", { class: "saving" }, `${plural(set.files.length, "file", "files")}, ${bytes(set.reclaimable_bytes)} could be freed`), " ",
        el("bdi", { class: "owner" }, set.owner)),
      set.conflicts.length ? el("p", { class: "conflicts" }, "Conflict: ", set.conflicts.map((kind) => el("mark", { title: explained(kind) }, called("conflicts", kind)))) : null,
      reasonOf(set), drawImmich(view),
      el("div", { class: "members" }, shown.map(([unit, files], n) => drawUnit(view, unit, files, n))),
      units.length > shown.length ? button(`Show ${plural(units.length - shown.length, "more copy", "more copies")}`, { "data-more": "1", class: "more" }) : null,
      drawSteps(view), drawActions(view));
    return section;
  };

  // ---- which groups, in which order, on which page

  const main = byId("groups"), control = (id) => byId(id).value;
  let order = [], page = 0, current = -1;
  const numbers = new Map();
  const shownNumber = (i) => numbers.get(i) + 1;
  const descending = (values) => (a, b) => (values[a] < values[b] ? 1 : values[a] > values[b] ? -1 : 0);
  const bySaving = descending(columns.saving);
  const diameter = columns.diameter.map((value) => value ?? 65);
  const alike = (a, b) => columns.confidence[b] - columns.confidence[a] || diameter[a] - diameter[b];
  const SORTS = {
    saving: bySaving,
    newest: descending(columns.newest),
    alike,
    doubtful: (a, b) => alike(b, a),
    loses: descending(columns.loses),
  };
  const wanted = () => {
    const words = control("search").toLowerCase().split(/\s+/).filter(Boolean);
    const [kind, verdict, conflict, choice] = ["class", "verdict", "conflict", "choice"].map(control);
    const found = [];
    for (let i = 0; i < count; i++) {
      if (kind && columns.class[i] !== kind) continue;
      if (verdict && columns.verdict[i] !== verdict) continue;
      if (conflict && !(conflict === "any" ? columns.conflicts[i].length : columns.conflicts[i].includes(conflict))) continue;
      if (choice && ((choices.get(columns.id[i]) || ["none"])[0] !== choice)) continue;
      if (!words.every((word) => columns.text[i].includes(word))) continue;
      found.push(i);
    }
    const by = SORTS[control("sort")];
    return found.sort((a, b) => by(a, b) || bySaving(a, b) || a - b);
  };
  const pages = () => Math.max(1, Math.ceil(order.length / PER_PAGE));
  const showPage = (to, focus) => {
    page = Math.min(Math.max(to, 0), pages() - 1);
    const shown = order.slice(page * PER_PAGE, (page + 1) * PER_PAGE);
    main.replaceChildren(...shown.map((i) => drawGroup(i)));
    if (!shown.length) main.append(el("p", { class: "empty" }, "No group is like that."));
    current = -1;
    byId("page").textContent = `Page ${number(page + 1)} of ${number(pages())}`;
    byId("previous").disabled = page === 0;
    byId("next").disabled = page >= pages() - 1;
    if (focus === "first") focusGroup(main.firstElementChild);
    else if (focus === "last") focusGroup(main.lastElementChild);
    else if (focus) scrollTo(0, 0);
  };
  const refresh = () => {
    order = wanted();
    numbers.clear();
    order.forEach((i, n) => numbers.set(i, n));
    const saving = order.reduce((sum, i) => sum + columns.saving[i], 0);
    byId("status").textContent = `${plural(order.length, "group", "groups")} of ${number(count)}, ${bytes(saving)}`;
    showPage(0);
  };
  const sectionOf = (i) => main.querySelector(`section[data-set="${i}"]`);
  const redraw = (i) => {
    const old = sectionOf(i);
    if (!old) return;
    const active = document.activeElement, within = old.contains(active);
    const again = within && active !== old ? [...active.attributes].find((a) => a.name === "data-choice" || a.name === "data-keep") : null;
    const open = old.querySelector("details")?.open;
    const drawn = drawGroup(i, old.querySelectorAll("article").length > UNITS_SHOWN);
    old.replaceWith(drawn);
    if (open) drawn.querySelector("details").open = true;
    if (i === current) drawn.classList.add("current");
    const same = again && [...drawn.querySelectorAll(`[${again.name}]`)].find((node) => node.getAttribute(again.name) === again.value && !node.disabled);
    if (within) (same || drawn).focus({ preventScroll: true });
  };
  const focusGroup = (section) => {
    if (!section?.dataset.set) return;
    main.querySelector(".current")?.classList.remove("current");
    section.classList.add("current");
    current = Number(section.dataset.set);
    section.focus({ preventScroll: true });
    section.scrollIntoView({ block: "start" });
  };
  const step = (by) => {
    const now = current < 0 ? null : sectionOf(current);
    if (!now) return focusGroup(by > 0 ? main.firstElementChild : main.lastElementChild);
    const to = by > 0 ? now.nextElementSibling : now.previousElementSibling;
    if (to) focusGroup(to);
    else if (by > 0 ? page < pages() - 1 : page > 0) showPage(page + by, by > 0 ? "first" : "last");
  };

  // ---- the review file

  const showChosen = () => {
    const by = { accept: 0, reject: 0, dismiss: 0 };
    for (const [choice] of choices.values()) by[choice]++;
    byId("chosen").textContent = choices.size
      ? `Your choices: ${number(choices.size)} (${number(by.accept)} accepted, ${number(by.reject)} kept all, ${number(by.dismiss)} not duplicates)`
      : "No choices yet";
    byId("download").disabled = byId("forget").disabled = !choices.size;
  };
  const review = () => ({
    schema: "immich-pipeline/review",
    version: 1,
    plan: index.plan,
    choices: [...choices].map(([id, [choice, unit]]) => {
      const set = setAt(place.get(id)), files = unitsOf(set).get(unit);
      return {
        set: id,
        contents: [...contentsOf(set.files)].sort(),
        choice,
        keeper: choice === "accept" ? (files ? leadOf(set, files).asset_id : set.keeper) : null,
      };
    }),
  });
  const download = () => {
    const url = URL.createObjectURL(new Blob([JSON.stringify(review(), null, 1)], { type: "application/json" }));
    el("a", { href: url, download: "duplicates-review.json" }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
    downloaded = true;
  };

  // ---- hands and keys

  const groupOf = (node) => Number(node.closest("section").dataset.set);
  main.addEventListener("click", (event) => {
    const pressed = event.target.closest("button");
    if (!pressed) return;
    const i = groupOf(pressed), data = pressed.dataset;
    if (data.choice === "swap") swap(i);
    else if (data.choice !== undefined) choose(i, data.choice || null);
    else if (data.keep !== undefined) {
      const set = setAt(i);
      choose(i, "accept", data.keep === keeperUnit(set) ? null : data.keep);
    } else if (data.more) sectionOf(i).replaceWith(drawGroup(i, true));
  });
  main.addEventListener("focusin", (event) => {
    const section = event.target.closest("section[data-set]");
    if (!section) return;
    main.querySelector(".current")?.classList.remove("current");
    section.classList.add("current");
    current = Number(section.dataset.set);
  });
  const KEYS = {
    j: () => step(1), k: () => step(-1), n: () => showPage(page + 1, "first"), p: () => showPage(page - 1, "first"),
    "/": () => byId("search").focus(), "?": () => { byId("help").open = !byId("help").open; },
  };
  const ON_GROUP = {
    a: (i) => choose(i, "accept"), s: swap, r: (i) => choose(i, "reject"), d: (i) => choose(i, "dismiss"), u: (i) => choose(i, null),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    if (Object.hasOwn(KEYS, event.key)) KEYS[event.key]();
    else if (Object.hasOwn(ON_GROUP, event.key)) {
      // With no group chosen yet, show which one the key would be about.
      if (current < 0) step(1);
      else ON_GROUP[event.key](current);
    }
    else return;
    event.preventDefault();
  });
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("controls").addEventListener("change", refresh);
  byId("search").addEventListener("input", refresh);
  byId("previous").addEventListener("click", () => showPage(page - 1, "top"));
  byId("next").addEventListener("click", () => showPage(page + 1, "top"));
  byId("download").addEventListener("click", download);
  byId("forget").addEventListener("click", () => {
    if (!confirm(`Forget all ${number(choices.size)} choices?`)) return;
    choices.clear();
    remember();
    showChosen();
    refresh();
  });
  addEventListener("beforeunload", (event) => {
    if (!remembers && !downloaded && choices.size) event.preventDefault();
  });

  const options = (id, values, label) => {
    const counts = new Map();
    for (const value of values) counts.set(value, (counts.get(value) || 0) + 1);
    for (const [value, n] of [...counts].sort()) byId(id).append(el("option", { value }, `${label(value)} (${number(n)})`));
  };
  options("class", columns.class, (value) => titles.get(value) || value);
  options("verdict", columns.verdict, (value) => called("verdicts", value));
  const withConflict = columns.conflicts.filter((kinds) => kinds.length);
  if (withConflict.length) byId("conflict").append(el("option", { value: "any" }, `any (${number(withConflict.length)})`));
  options("conflict", columns.conflicts.flat(), (value) => called("conflicts", value));
  const kinds = [...new Set(columns.conflicts.flat())].sort();
  byId("conflicts").append(...kinds.map((kind) => el("div", null, el("dt", null, el("mark", null, called("conflicts", kind))), el("dd", null, explained(kind)))));
  byId("classes").append(...index.classes.map((entry) =>
    el("div", null, el("dt", null, el("span", { class: `badge ${entry.name}` }, entry.title)), el("dd", null, entry.explanation))));

  recall();
  showChosen();
  refresh();
})();
