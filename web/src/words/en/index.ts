// All words in English, a file for each part of the page.
import clients from './clients'
import debug from './debug'
import overview from './overview'
import shell from './shell'

export default { ...shell, ...overview, ...clients, ...debug }
