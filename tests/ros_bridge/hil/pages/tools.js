const until = async (what) => { for (let i = 0; i < 100 && !what(); i++) await new Promise((done) => setTimeout(done, 20)); };
const tell = (facts) => { document.documentElement.dataset.facts = JSON.stringify({ ...facts, said, trouble: document.documentElement.dataset.trouble ?? "" }); };
const card = (id) => document.getElementById(id);
const drawn = (id) => until(() => card(id).dataset.drawn);
